"""All that a change does to a node, a step a method, each done for good when it returns. I/O."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import Iterator

from node_helper.changes import arming, disk, held, journal, signature
from node_helper.changes.arming import Armed
from node_helper.changes.held import Held
from node_helper.changes.journal import Entry
from node_helper.changes.paths import Paths

_BETWEEN = 0.02
_OLD_S = 60.0


class Busy(Exception):
    """Another change is being made on this node."""


class Hands:
    """Of the node at `paths`. `OSError` where a step cannot be done."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    @contextmanager
    def locked(self, seconds: float) -> Iterator[None]:
        """One change at a time, whoever makes it. Raises `Busy`."""
        lock = os.open(os.path.join(self.paths.state, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            until = time.monotonic() + seconds
            while not _got(lock, fcntl.LOCK_EX):
                if time.monotonic() > until:
                    raise Busy("another change is being made on this node")
                time.sleep(_BETWEEN)
            yield
        finally:
            os.close(lock)

    def now(self) -> float:
        """Seconds since 1970 by this node's clock."""
        return time.time()

    def held(self) -> Held:
        """What it holds. Raises `Unreadable`."""
        return held.now(self.paths)

    def entries(self) -> tuple[Entry, ...]:
        """The journal. Raises `Damaged`."""
        return journal.read(self.paths)

    def record(self, entry: Entry) -> None:
        """Say it in the journal."""
        journal.append(self.paths, entry)

    def write_value(self, number: int) -> None:
        """Set nf_conntrack_max."""
        _write(self.paths.value, number)

    def write_buckets(self, number: int) -> None:
        """Set nf_conntrack_buckets: the kernel moves the whole table into so many lists."""
        _write(self.paths.buckets, number)

    def put_file(self, text: str) -> None:
        """Make our file say so, all or nothing; "" takes it away."""
        if text:
            os.makedirs(os.path.dirname(self.paths.file), 0o755, exist_ok=True)
            disk.put(self.paths.file, text, 0o644)  # by way of a name that does not end with .conf, which nobody reads there
        else:
            disk.drop(self.paths.file)

    def arm(self, armed: Armed) -> None:
        """Have the node take it back by itself. Raises `NotArmed`, and nothing of it is left."""
        arming.arm(armed)

    def disarm(self, nonce: str) -> None:
        """It will not be taken back by itself; nothing, where it would not have been."""
        arming.disarm(self.paths, nonce)

    def sweep(self) -> None:
        """Take away what an end in the middle left. Only under the node's lock."""
        for name in os.listdir(self.paths.state):
            path = os.path.join(self.paths.state, name)
            if name.startswith(signature.PREFIX) and _age(path) > _OLD_S:
                os.unlink(path)
        arming.bury(self.paths)


def busy(paths: Paths) -> bool:
    """Whether a change is being made now. Looks only."""
    try:
        lock = os.open(os.path.join(paths.state, "lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not _got(lock, fcntl.LOCK_SH)  # so that two who look do not see each other
    finally:
        os.close(lock)


def _write(path: str, number: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"%d\n" % number)
    finally:
        os.close(descriptor)


def _got(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _age(path: str) -> float:
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return 0.0
