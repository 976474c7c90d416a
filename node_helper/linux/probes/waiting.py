"""Waiting for a socket until it is ready, until the attempt's time is over, or until nobody asks any more: whichever is first."""

from __future__ import annotations

import errno
import os
import select
import socket
import time

from node_helper.linux.probes.outcome import Address
from node_helper.stop import Stop


class Attempt:
    """One attempt, from now until `seconds` later; it ends at once when its question does, with `CannotLook`."""

    def __init__(self, seconds: float, stop: Stop) -> None:
        self.started = time.monotonic()
        self._ends = self.started + seconds
        self._stop = stop

    def connect(self, talk: socket.socket, there: Address) -> None:
        """Connect a socket that does not block. Raises `OSError` as the kernel says it, `TimedOut` when it says nothing."""
        code = talk.connect_ex(there)
        if code == errno.EINPROGRESS:
            self._wait(talk, select.POLLOUT)
            code = talk.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def send(self, talk: socket.socket, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            self._wait(talk, select.POLLOUT)
            rest = rest[talk.send(rest) :]

    def receive(self, talk: socket.socket, most: int) -> tuple[bytes, str]:
        """What comes next, and from where (an address; "" on a stream)."""
        self._wait(talk, select.POLLIN)
        data, sender = talk.recvfrom(most)
        return data, str(sender[0]) if sender else ""

    def _wait(self, talk: socket.socket, event: int) -> None:
        left = self._ends - time.monotonic()
        poll = select.poll()
        poll.register(talk, event)
        poll.register(self._stop, select.POLLIN)
        ready = poll.poll(max(0.0, min(left, self._stop.left)) * 1000)
        self._stop.check()
        if not ready:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
