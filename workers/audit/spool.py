"""Entries that wait for Redis, on disk as well: what a process leaves behind is stored by the next one. I/O.

A file a writer, locked by its process as long as that lives. They are signed already, so that nobody can add to them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from workers.audit import record
from workers.audit.record import Record, Unsound

log = structlog.get_logger()


class Spool:
    """The file of one writer, made at the first `add`. A disk that takes nothing is logged: then memory is all there is."""

    def __init__(self, folder: Path, writer: str) -> None:
        self._path = folder / writer
        self._file: int | None = None
        self._last = 0

    def add(self, records: Sequence[Record]) -> None:
        """Those that are not there yet; on disk when this returns."""
        new = [one for one in records if one.entry.seq > self._last]
        if not new:
            return
        try:
            if self._file is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._file, fcntl.LOCK_EX)
            os.write(self._file, b"".join(one.dumps() + b"\n" for one in new))
            os.fsync(self._file)
        except OSError as e:
            log.error("audit_not_spooled", reason=str(e), entries=len(new))  # noqa: TRY400  (the reason says all)
            return
        self._last = new[-1].entry.seq

    def clear(self) -> None:
        """All of it is in Redis."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """What is left is for the next process."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@contextlib.contextmanager
def left_behind(folder: Path) -> Iterator[list[list[Record]]]:
    """What ended processes could not store; forgotten at the end of the block, unless it raises."""
    with contextlib.ExitStack() as stack:
        found = [path for path in sorted(folder.glob("*-*")) if _ours(path, stack)]
        yield [records for path in found if (records := list(_records(path)))]
        for path in found:
            path.unlink(missing_ok=True)


def _ours(path: Path, stack: contextlib.ExitStack) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _records(path: Path) -> Iterator[Record]:
    """A last line without its end was not finished, and is not there."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            one = record.read(line)
        except Unsound as e:
            log.error("audit_spool_unreadable", file=str(path), reason=str(e))  # noqa: TRY400  (the reason says all)
            continue
        if one.entry.writer == path.name:
            yield one
