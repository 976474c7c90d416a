"""An archive of files for a kernel's first root (cpio "newc"; Documentation/driver-api/early-userspace/buffer-format.rst)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

_FOLDER, _FILE = 0o40755, 0o100755
_WORD = 4


def archive(folders: Iterable[str], files: Mapping[str, bytes]) -> bytes:
    """Folders first; every file may be executed."""
    numbers = itertools.count(1)
    entries = [_entry(next(numbers), name, _FOLDER, b"") for name in folders]
    entries += [_entry(next(numbers), name, _FILE, data) for name, data in files.items()]
    return b"".join((*entries, _entry(next(numbers), "TRAILER!!!", 0, b"")))


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    raw = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(head + raw) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _WORD)
