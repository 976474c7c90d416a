"""Attributes of netlink messages that mostly look alike, as devices do: fifty headers are compared at once instead of walked."""

from __future__ import annotations

import struct
from typing import Iterable

from node_helper.linux.netlink import ATTRIBUTE, TYPE, Malformed

_MOST = 64

_MOST_OF_A_LENGTH = 4

_Shape = tuple[struct.Struct, tuple[int, ...], struct.Struct, tuple[int, ...]]
"""How to read all headers and what they must be; how to read the values that then stand there, and of which types these are."""


class Shapes:
    """Attributes from the offset `at` on, but `only` those of some types; any thread may use it.

    Where every header stands as in a message of that length that was read before, each value stands where it stood there. There
    are several of a length: an address of `lo` is as long as one of `eth0`, whose label is longer.
    """

    def __init__(self, at: int, only: Iterable[int]) -> None:
        self._at = at
        self._only = frozenset(only)
        self._known: dict[int, tuple[_Shape, ...]] = {}

    def attributes(self, body: bytes) -> dict[int, bytes]:
        """By type, the last of each. Raises `Malformed`."""
        for headers, expected, values, kinds in self._known.get(len(body), ()):
            if headers.unpack_from(body) == expected:
                return dict(zip(kinds, values.unpack_from(body)))
        return self._learn(body)

    def _learn(self, body: bytes) -> dict[int, bytes]:
        headers, after, expected = "=", 0, []
        values, value_after, kinds = "=", 0, []
        at, end = self._at, len(body)
        while at + ATTRIBUTE.size <= end:
            length, kind = ATTRIBUTE.unpack_from(body, at)
            begin, stop = at + ATTRIBUTE.size, at + length
            if begin > stop or stop > end:
                raise Malformed(f"a netlink attribute says {length} of {end - at} bytes")
            headers += f"{at - after}xHH"
            after = begin
            expected += [length, kind]
            if kind & TYPE in self._only:
                values += f"{begin - value_after}x{stop - begin}s"
                value_after = stop
                kinds.append(kind & TYPE)
            at += (length + 3) & ~3
        if len(self._known) >= _MOST:
            self._known.clear()
        shape = struct.Struct(headers), tuple(expected), struct.Struct(values), tuple(kinds)
        self._known[end] = (shape, *self._known.get(end, ())[: _MOST_OF_A_LENGTH - 1])
        return dict(zip(shape[3], shape[2].unpack_from(body)))
