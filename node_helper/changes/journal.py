"""What was changed on this node and what came of it: one record a line, on the disk before what it announces happens. I/O."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Optional

from node_helper import codec, wire
from node_helper.changes import disk
from node_helper.changes.grant import Done
from node_helper.changes.paths import Paths

_FILE = "journal"


@dataclass(frozen=True)
class Entry:
    """`digest` is of the signed text: the same nonce with another one is another plan."""

    digest: str
    done: Done


class Damaged(Exception):
    """A line of the journal cannot be read: nobody can say what was done here before."""


def append(paths: Paths, entry: Entry) -> None:
    """It is on the disk when this returns. Only under the node's lock. Raises `OSError`."""
    path = os.path.join(paths.state, _FILE)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _drop_torn_line(descriptor)
        line = json.dumps(codec.encode(entry), separators=(",", ":")).encode() + b"\n"
        if os.write(descriptor, line) != len(line):
            raise OSError(28, f"{path}: no room for a whole line")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    disk.sync_folder(paths.state)


def read(paths: Paths) -> tuple[Entry, ...]:
    """All of it, oldest first; a line that was being written when the node stopped announced nothing yet. Raises `Damaged`."""
    try:
        with open(os.path.join(paths.state, _FILE), "rb") as file:
            *lines, _torn = file.read().split(b"\n")
    except FileNotFoundError:
        return ()
    except OSError as e:
        raise Damaged(str(e)) from e
    try:
        return tuple(codec.decode(Entry, wire.value(line)) for line in lines)
    except ValueError as e:
        raise Damaged(f"{paths.state}/{_FILE}: {e}") from e


def last(entries: tuple[Entry, ...], nonce: str) -> Optional[Entry]:
    """The latest of one plan."""
    return next((entry for entry in reversed(entries) if entry.done.nonce == nonce), None)


def later(entries: tuple[Entry, ...], nonce: str) -> Optional[Done]:
    """The change that was made after this one and is still in place, so that this one cannot be taken back by itself any more."""
    latest = {entry.done.nonce: entry.done for entry in entries}  # in the order of their first records
    order = list(latest)
    after = order[order.index(nonce) + 1 :] if nonce in latest else []
    undone = {done.undoes for done in latest.values() if done.state == "done"}
    standing = [latest[one] for one in after if latest[one].state == "done" and one not in undone]
    return next((done for done in reversed(standing) if done.undoes not in after), None)


def _drop_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    end, data = size, b""
    while end > 0 and b"\n" not in data:
        start = max(0, end - 4096)
        data = os.pread(descriptor, end - start, start)
        end = start
    keep = end + data.rfind(b"\n") + 1
    if keep != size:
        os.ftruncate(descriptor, keep)
