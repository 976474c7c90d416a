"""Datagrams of ctnetlink messages in; out, how many flows have which values. No records are made, and many are checked at once.

Messages that begin alike wait together. Laid one after the other, each byte that must be the same in all of them is a column,
compared in one step: the same full check as of each message by itself, at a third of its cost.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Iterable, Optional

from node_helper.conntrack.layout import HEAD, Layout, Values, learn
from node_helper.conntrack.reading import Stream
from node_helper.linux.netlink import Malformed

_NONE: tuple[int, Optional[Callable[[bytes], Any]]] = (0, None)


class Tally:
    """For each layout, how many flows have which combination of the values `only`."""

    def __init__(self, only: frozenset[str]) -> None:
        self.waiting = 0
        """How many bytes were read since they were counted last."""
        self._only = only
        self._stream = Stream()
        self._groups: list[_Group] = []
        self._by_head: dict[bytes, tuple[int, Callable[[bytes], None]]] = {}

    @property
    def done(self) -> bool:
        """Whether the dump is complete."""
        return self._stream.done

    def read(self, data: bytes) -> None:
        """Take the flows of one datagram. Raises `Malformed` and `Refused`; what was counted is then worth nothing."""
        known = self._by_head.get
        at, end = 0, len(data)
        while at < end:
            size, wait = known(data[at : at + HEAD], _NONE)
            if wait:
                wait(data[at : at + size])
                at += size
            else:
                at = self._meet(data, at)
        if at != end:
            raise Malformed("a conntrack message is longer than its datagram")
        self.waiting += end

    def counts(self) -> list[tuple[Layout, Counter[Values]]]:
        """What was read up to now. Raises `Malformed`."""
        for group in self._groups:
            group.count()
        self.waiting = 0
        return [kind for group in self._groups for kind in group.kinds]

    def _meet(self, data: bytes, at: int) -> int:
        """Where to go on: at the same message once its head is known."""
        message, after = self._stream.take(data, at)
        if not message:
            return after
        group = _Group(self._only)
        self._groups.append(group)
        self._by_head[message[:HEAD]] = len(message), group.waiting.append
        return at


class _Group:
    """Messages that begin alike, as long as one another; mostly of one layout."""

    def __init__(self, only: frozenset[str]) -> None:
        self.waiting: list[bytes] = []
        self.kinds: list[tuple[Layout, Counter[Values]]] = []
        self._only = only

    def count(self) -> None:
        """Let none wait. Raises `Malformed`."""
        for messages in self._by_protocol():
            together = b"".join(messages)
            for layout, counts in self.kinds:
                if layout.fits_all(together):
                    counts.update(layout.read_all(together))
                    break
            else:
                self._count_apart(messages)
        self.waiting.clear()

    def _by_protocol(self) -> Iterable[list[bytes]]:
        """UDP and UDP-Lite, say, begin alike: apart, each has one layout."""
        if not self.waiting:
            return []
        if len(self.kinds) <= 1:
            return [self.waiting]
        at, apart = self.kinds[0][0].protocol_at, dict[int, list[bytes]]()
        for message in self.waiting:
            apart.setdefault(message[at], []).append(message)
        return apart.values()

    def _count_apart(self, messages: list[bytes]) -> None:
        """Of several layouts, or of one that is not known yet."""
        apart: dict[int, list[bytes]] = {}
        for message in messages:
            apart.setdefault(self._kind(message), []).append(message)
        for kind, alike in apart.items():
            layout, counts = self.kinds[kind]
            counts.update(layout.read_all(b"".join(alike)))

    def _kind(self, message: bytes) -> int:
        for number, (layout, _) in enumerate(self.kinds):
            if layout.fits(message):
                return number
        self.kinds.append((learn(message, self._only), Counter()))
        return len(self.kinds) - 1
