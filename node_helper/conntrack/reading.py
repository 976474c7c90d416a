"""Datagrams of ctnetlink messages in, flows out: by a known layout where one fits, else by learning a new one.

Every message is checked against its layout in full, so a message that only resembles another is never read as that one.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any, Callable, Generic, Iterator, Optional, TypeVar

from node_helper.conntrack.layout import HEAD, Layout, Values, learn
from node_helper.linux.netlink import Malformed

NEW, DELETE = 0x100, 0x102  # IPCTNL_MSG_CT_*, with NFNL_SUBSYS_CTNETLINK above
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_ERROR = struct.Struct("=i")
_NOOP, _FAILED, _DONE = 1, 2, 3
_NONE: tuple[int, list[Any]] = (0, [])
_MOST_HEADS = 4096  # sequence numbers are in the heads: events of other programs' requests differ in theirs

X = TypeVar("X")


class Refused(Exception):
    """The kernel refused a request; `code` is its errno."""

    def __init__(self, code: int) -> None:
        super().__init__(f"errno {code}")
        self.code = code


Known = tuple[int, int, Callable[[bytes, int], Values], X]
"""A layout as it is tried: its mask, what it expects under it, how values are read, and what was attached to it."""


class Templates(Generic[X]):
    """Known layouts by the first bytes of a message; with each goes what `attach` made for it. For one dump or one stream."""

    def __init__(self, attach: Callable[[Layout], X], only: Optional[frozenset[str]] = None) -> None:
        self.done = False
        """True once the kernel said that the dump is complete."""
        self.by_head: dict[bytes, tuple[int, list[Known[X]]]] = {}
        """The size of messages that begin so, and their layouts: mostly one."""
        self._attach = attach
        self._only = only

    def meet(self, data: bytes, at: int) -> Optional[int]:
        """Learn the layout of the message at an offset.

        None then; where no flow stands there, the offset of the next message. Raises `Malformed` and `Refused`.
        """
        if at + _HEADER.size > len(data):
            raise Malformed("bytes are left after the last netlink message")
        size: int
        size, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if size < _HEADER.size or at + size > len(data):
            raise Malformed(f"a netlink message says {size} of {len(data) - at} bytes")
        if kind not in (NEW, DELETE):
            self._control(kind, data[at + _HEADER.size : at + size])
            return at + ((size + 3) & ~3)
        self._learn(data[at : at + size])
        return None

    def _learn(self, message: bytes) -> None:
        if len(message) % 4:
            raise Malformed(f"a conntrack message of {len(message)} bytes: not padded")
        layout = learn(message, self._only)
        if len(self.by_head) >= _MOST_HEADS:
            self.by_head.clear()
        _, layouts = self.by_head.setdefault(message[:HEAD], (layout.size, []))
        layouts.append((layout.mask, layout.expected, layout.read, self._attach(layout)))

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
        self._templates: Templates[Layout] = Templates(lambda layout: layout)

    @property
    def done(self) -> bool:
        """Whether the dump is complete."""
        return self._templates.done

    def read(self, data: bytes) -> Iterator[tuple[Layout, Values]]:
        """The flows of one datagram. Raises `Malformed` and `Refused`."""
        known, number = self._templates.by_head.get, int.from_bytes
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
                    at = self._templates.meet(data, at) or at
            else:
                at = self._templates.meet(data, at) or at


class Tally:
    """How many flows have which values, counted without making records: for each layout its combinations of `only`.

    What was read waits in lists until it is counted, many at once: that costs half of counting one by one.
    """

    def __init__(self, only: frozenset[str]) -> None:
        self.waiting = 0
        """How many bytes were read since they were counted last."""
        self._kinds: list[tuple[Layout, Counter[Values], list[Values]]] = []
        self._templates: Templates[Callable[[Values], None]] = Templates(self._waiting_of, only)

    @property
    def done(self) -> bool:
        """Whether the dump is complete."""
        return self._templates.done

    def counts(self) -> list[tuple[Layout, Counter[Values]]]:
        """What was read up to now."""
        for _, counts, waiting in self._kinds:
            counts.update(waiting)
            waiting.clear()
        self.waiting = 0
        return [(layout, counts) for layout, counts, _ in self._kinds]

    def read(self, data: bytes) -> None:
        """Take the flows of one datagram. Raises `Malformed` and `Refused`; what was counted is then worth nothing."""
        known, number = self._templates.by_head.get, int.from_bytes
        at, end = 0, len(data)
        try:
            while at < end:
                size, layouts = known(data[at : at + HEAD], _NONE)
                message = number(data[at : at + size], "little")
                for mask, expected, values, note in layouts:
                    if message & mask == expected:
                        note(values(data, at))
                        at += size
                        break
                else:
                    at = self._templates.meet(data, at) or at
        except struct.error as e:
            raise Malformed(f"a conntrack message ends early: {e}") from e
        if at != end:
            raise Malformed("a conntrack message is longer than its datagram")
        self.waiting += end

    def _waiting_of(self, layout: Layout) -> Callable[[Values], None]:
        waiting: list[Values] = []
        self._kinds.append((layout, Counter(), waiting))
        return waiting.append
