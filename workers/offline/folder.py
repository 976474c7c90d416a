"""A folder of saved files: which are there, and their text. Only files of the folder itself are ever opened."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from node_helper.protocol import CannotLook
from workers.errors import UsageError

T = TypeVar("T")
LARGEST = 1 << 30
"""Bytes of one file, unpacked: a million conntrack entries are a fifth of it."""
_PACKED = ".gz"


class Folder:
    """The files that were there when it was opened, each read and parsed at most once."""

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        """Raises `UsageError` where there is no such folder."""
        self.path = path
        self._largest = largest
        self._parsed: dict[tuple[str, object], Any] = {}
        try:
            self._files = {file.name: file for file in sorted(path.iterdir()) if file.is_file()}
        except OSError as e:
            raise UsageError(f"{path} cannot be read as a folder of saved evidence: {e.strerror}") from e

    def names(self) -> frozenset[str]:
        """What can be read, without ".gz"."""
        return frozenset(name.removesuffix(_PACKED) for name in self._files)

    def nodes(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """The nodes of which a file of these kinds was saved: what stands before the kind and a dot."""
        named = (name.removesuffix(f".{kind}") for name in self.names() for kind in kinds if name.endswith(f".{kind}"))
        return tuple(sorted(set(named) - {""}))

    def has(self, name: str) -> bool:
        """Whether a file was saved under this name."""
        return name in self._files or name + _PACKED in self._files

    def saved_at(self) -> str:
        """When the newest file was last written (RFC 3339, UTC): the moment that the evidence is of, as far as can be told."""
        newest = max((file.stat().st_mtime for file in self._files.values()), default=0.0)
        return datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def text(self, name: str) -> str:
        """The text of a file. ``missing`` where it was not saved, ``malformed`` or ``budget`` where it cannot be read."""
        path = self._files.get(name) or self._files.get(name + _PACKED)
        if path is None:
            fix = f"Save it as {self.path / name} (or {name}{_PACKED}) and run this again."
            raise CannotLook(f"{name} was not saved", kind="missing", fix=fix)
        with _translated(path):
            return self._bytes(path).decode(errors="backslashreplace")

    def parsed(self, name: str, parse: Callable[[str], T]) -> T:
        """What a parser makes of a file. Its `ValueError` becomes ``malformed``, with the name of the file before the place."""
        if (name, parse) not in self._parsed:
            text = self.text(name)
            try:
                self._parsed[name, parse] = parse(text)
            except (ValueError, RecursionError) as e:
                fix = "Save it again as the tool prints it, whole and unedited."
                raise CannotLook(_unparsed(name, e), kind="malformed", fix=fix) from e
        return cast("T", self._parsed[name, parse])

    def _bytes(self, path: Path) -> bytes:
        with gzip.open(path) if path.suffix == _PACKED else path.open("rb") as file:
            data: bytes = file.read(self._largest + 1)
        if len(data) > self._largest:
            reason = f"{path.name} holds more than {self._largest >> 20} MiB"
            raise CannotLook(reason, kind="budget", fix="Save less of it: one table, or one address.")
        return data


def _unparsed(name: str, error: ValueError | RecursionError) -> str:
    """Why, in our words: those of Python's own parser tell what it would have liked to read."""
    if isinstance(error, RecursionError):
        return f"{name} holds lists or objects one in another, too many to be read"
    if not isinstance(error, json.JSONDecodeError):
        return f"{name}: {error}"
    if not error.doc.strip():
        return f"{name} is no JSON: it is empty"
    what = "it is damaged at" if error.doc[error.pos :].strip() else "it breaks off at"
    return f"{name} is no JSON: {what} line {error.lineno}, column {error.colno}"


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise CannotLook(f"{path.name} is not whole as a gzip file: {e}", kind="malformed", fix="Copy it again.") from e
    except OSError as e:
        raise CannotLook(f"{path.name} cannot be read: {e.strerror}", kind="denied", fix="Make the file readable.") from e
