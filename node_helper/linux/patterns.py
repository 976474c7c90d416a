"""Files named by patterns as a shell has them (fnmatch): `*` stands for any letters of one name, `[12]` for one of them."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import Iterator, Optional

from node_helper.linux import files
from node_helper.protocol import CannotLook

_MOST = 20_000
_WILD = frozenset("*[")


def read(patterns: tuple[str, ...], limit: int) -> dict[str, str]:
    """The text of each file that there is, by its path, at most `limit` bytes of each. ``budget`` above 20,000 files.

    A file that refuses to be read, as some sysctls do in namespaces that are not the first, is not there for whoever asks.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        for path in _expanded("/", pattern.strip("/").split("/")) if _WILD.intersection(pattern) else (pattern,):
            text = _text(path, limit)
            if text is not None:
                found[path] = text
            if len(found) > _MOST:
                raise CannotLook(f"{pattern} names more than {_MOST} files", kind="budget")
    return found


def _expanded(folder: str, parts: list[str]) -> Iterator[str]:
    name, rest = parts[0], parts[1:]
    names = [each for each in files.names_in(folder) if fnmatchcase(each, name)] if _WILD.intersection(name) else [name]
    for each in names:
        path = os.path.join(folder, each)
        if rest:
            yield from _expanded(path, rest)
        else:
            yield path


def _text(path: str, limit: int) -> Optional[str]:
    try:
        return files.read(path, limit)
    except CannotLook as e:
        if e.kind not in ("denied", "gone"):
            raise
        return None
