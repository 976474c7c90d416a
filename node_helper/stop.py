"""When a question no longer matters: it was cancelled, or its time is over. Whoever waits for it can notice at once.

Everything that looks on behalf of a question asks its `Stop` before each step, and waits with it: `select.poll` on a socket
*and* on the `Stop` returns as soon as either is ready. So work that nobody waits for any more really ends.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Optional

from node_helper.protocol import CannotLook

CANCELLED = "cancelled"
TIMEOUT = "timeout"


class Stop:
    """One question's end. `changed` is notified when it comes; all methods may be called from any thread."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.changed = threading.Condition()
        self.late = ""  # why nothing came of it yet, should its time end now
        self._kind = ""
        self._pipe: Optional[tuple[int, int]] = None  # made for the first who polls: most questions wait for nothing
        self._closed = False

    @property
    def ended(self) -> bool:
        """True from the moment on which the question no longer matters."""
        return bool(self._kind) or self.left <= 0

    @property
    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - time.monotonic()

    def fileno(self) -> int:
        """A descriptor that becomes readable when `end` is called, for `select.poll`. Poll for at most `left` seconds."""
        with self.changed:
            if self._pipe is None:
                self._pipe = os.pipe()
                self._wake()
            return self._pipe[0]

    def end(self, kind: str) -> None:
        """Say that nobody waits any more: `CANCELLED` or `TIMEOUT`; the first reason counts. Wakes whoever waits with this."""
        with self.changed:
            if not self._kind and not self._closed:
                self._kind = kind
                self._wake()
            self.changed.notify_all()

    def check(self) -> None:
        """Raise `CannotLook` of kind ``cancelled`` or ``timeout`` once the question no longer matters."""
        if self.ended:
            raise self.reason()

    def reason(self) -> CannotLook:
        """Why the question ended, as its answer."""
        kind = self._kind or TIMEOUT
        if kind == CANCELLED:
            return CannotLook("the question was cancelled", kind=kind)
        return CannotLook(self.late or "the question took longer than its time on the node", kind=kind, fix="Ask again.")

    def pause(self, seconds: float) -> None:
        """Wait so many seconds, or raise `CannotLook` as soon as the question no longer matters."""
        until = time.monotonic() + seconds
        with self.changed:
            while not self.ended and time.monotonic() < until:
                self.changed.wait(min(until - time.monotonic(), max(self.left, 0)))
        self.check()

    def close(self) -> None:
        """Give the descriptors back; only when nobody polls them any more."""
        with self.changed:
            self._closed = True
            if self._pipe is not None:
                for descriptor in self._pipe:
                    os.close(descriptor)
                self._pipe = None

    def _wake(self) -> None:
        if self._kind and self._pipe is not None:
            os.write(self._pipe[1], b"x")
