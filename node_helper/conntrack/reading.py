"""Datagrams of ctnetlink messages in, flows out: by a known layout where one fits, else by learning a new one.

Every message is checked against its layout in full, so a message that only resembles another is never read as that one.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, Iterator

from node_helper.conntrack.layout import HEAD, Layout, Values, learn
from node_helper.linux.netlink import Malformed

NEW, DELETE = 0x100, 0x102  # IPCTNL_MSG_CT_*, with NFNL_SUBSYS_CTNETLINK above
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_ERROR = struct.Struct("=i")
_NOOP, _FAILED, _DONE = 1, 2, 3
_NONE: tuple[int, list[Any]] = (0, [])
_MOST_HEADS = 4096  # sequence numbers are in the heads: events of other programs' requests differ in theirs
_Known = tuple[int, int, Callable[[bytes, int], Values], Layout]
"""A layout as it is tried: its mask, what it expects under it, how values are read."""


class Refused(Exception):
    """The kernel refused a request; `code` is its errno."""

    def __init__(self, code: int) -> None:
        super().__init__(f"errno {code}")
        self.code = code


class Stream:
    """The messages of one dump, or of a stream of events: flows, and what else netlink says."""

    def __init__(self) -> None:
        self.done = False
        """True once the kernel said that the dump is complete."""

    def take(self, data: bytes, at: int) -> tuple[bytes, int]:
        """The flow whose message begins at an offset, b"" where another message does; and where the next one begins.

        Raises `Malformed` and `Refused`.
        """
        if at + _HEADER.size > len(data):
            raise Malformed("bytes are left after the last netlink message")
        size: int
        size, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if size < _HEADER.size or at + size > len(data):
            raise Malformed(f"a netlink message says {size} of {len(data) - at} bytes")
        if kind not in (NEW, DELETE):
            self._control(kind, data[at + _HEADER.size : at + size])
            return b"", at + ((size + 3) & ~3)
        if size < HEAD or size % 4:
            raise Malformed(f"a conntrack message of {size} bytes")
        return data[at : at + size], at + size

    def _control(self, kind: int, content: bytes) -> None:
        if kind in (_FAILED, _DONE):
            code = -_ERROR.unpack_from(content)[0] if len(content) >= _ERROR.size else 0
            if code > 0:
                raise Refused(code)
            self.done = True
        elif kind != _NOOP:
            raise Malformed(f"a netlink message of type {kind} where a flow belongs")


class Reader:
    """Flows of datagrams, in their order, as the values of their layouts."""

    def __init__(self) -> None:
        self._stream = Stream()
        self._by_head: dict[bytes, tuple[int, list[_Known]]] = {}  # the size of messages that begin so, and their layouts

    @property
    def done(self) -> bool:
        """Whether the dump is complete."""
        return self._stream.done

    def read(self, data: bytes) -> Iterator[tuple[Layout, Values]]:
        """The flows of one datagram. Raises `Malformed` and `Refused`."""
        known, number = self._by_head.get, int.from_bytes
        at, end = 0, len(data)
        while at < end:
            size, layouts = known(data[at : at + HEAD], _NONE)
            if at + size <= end:
                message = number(data[at : at + size], "little")
                for mask, expected, values, layout in layouts:
                    if message & mask == expected:
                        yield layout, values(data, at)
                        at += size
                        break
                else:
                    at = self._meet(data, at)
            else:
                at = self._meet(data, at)

    def _meet(self, data: bytes, at: int) -> int:
        """Where to go on: at the same message once its layout is known."""
        message, after = self._stream.take(data, at)
        if not message:
            return after
        layout = learn(message)
        if len(self._by_head) >= _MOST_HEADS:
            self._by_head.clear()
        _, layouts = self._by_head.setdefault(message[:HEAD], (layout.size, []))
        layouts.append((layout.mask, layout.expected, layout.read, layout))
        return at
