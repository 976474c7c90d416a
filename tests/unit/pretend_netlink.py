"""A netlink socket whose kernel says what a test wrote."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

MULTI, INTERRUPTED = 0x2, 0x10
NEWLINK, ERROR, DONE = 16, 2, 3


class PretendChannel:
    """A kernel that answers each request with the next of its scripts; the sequence number is the request's."""

    def __init__(self, *answers: Iterable[tuple[int, int, bytes]], sender: int = 0, error: int = 0) -> None:
        self.answers = list(answers)
        self.sequence = 0
        self.sender = sender
        self.error = error
        self.asked: list[bytes] = []

    def send(self, data: bytes, /) -> int:
        self.sequence = struct.unpack_from("=I", data, 8)[0]
        self.asked.append(data)
        self.waiting = list(self.answers.pop(0))
        return len(data)

    def recvmsg(self, size: int, /) -> tuple[bytes, list[Any], int, Any]:
        assert size
        if self.error:
            self.error, code = 0, self.error
            raise OSError(code, "no")
        kind, flags, body = self.waiting.pop(0)
        message = struct.pack("=IHHII", 16 + len(body), kind, flags, self.sequence, 0) + body
        return message + bytes(-len(message) % 4), [], 0, (self.sender, 0)

    def close(self) -> None:
        self.asked.append(b"closed")


END = (DONE, MULTI, struct.pack("=i", 0))
