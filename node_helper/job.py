"""One question on its way: its time, its credit, and the lines of its answer, of which exactly one is the last."""

from __future__ import annotations

import os
import threading

from node_helper import wire
from node_helper.protocol import CannotLook
from node_helper.stop import Stop


class Outlet:
    """The helper's end of the wire: whole lines, one at a time, from any thread.

    A reader that went away is not an error here: the end of the helper's input says so.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._lock = threading.Lock()
        self._broken = False

    def write(self, line: bytes) -> None:
        """Send a line, waiting while the pipe is full."""
        with self._lock:
            rest = memoryview(line)
            while rest and not self._broken:
                try:
                    rest = rest[os.write(self.descriptor, rest) :]
                except OSError:
                    self._broken = True


class Job:
    """A question being answered. `send`, `finish` and `refuse` are for whoever works on it, `give` and `end` for the desk."""

    def __init__(self, asked: wire.Asked, outlet: Outlet) -> None:
        self.asked = asked
        self.stop = Stop(asked.seconds)
        self.outcome = ""
        self._outlet = outlet
        self._credit = asked.credit

    def give(self, credit: int) -> None:
        """The reader takes so many parts more."""
        with self.stop.changed:
            self._credit += credit
            self.stop.changed.notify_all()

    def send(self, line: bytes) -> None:
        """Send a part once there is credit for it; `CannotLook` when the question ends before."""
        with self.stop.changed:
            while not self._credit and not self.stop.ended:
                self.stop.changed.wait(max(self.stop.left, 0))
            self.stop.check()
            if not self.outcome:
                self._credit -= 1
                self._outlet.write(line)

    def finish(self, line: bytes, outcome: str = "answered") -> None:
        """Send the last line, unless the question is over already."""
        with self.stop.changed:
            if not self.outcome:
                self.outcome = outcome
                self._outlet.write(line)

    def refuse(self, cannot: CannotLook) -> None:
        """Finish with the reason why there is no answer."""
        self.finish(wire.cannot_line(self.asked.id, cannot.kind, cannot.reason, cannot.fix), cannot.kind)

    def end(self, kind: str) -> None:
        """Stop the work and say so at once: `CANCELLED` or `TIMEOUT`."""
        self.stop.end(kind)
        self.refuse(self.stop.reason())
