"""Attributes of netlink messages that mostly look alike, as devices do: fifty headers are compared at once instead of walked."""

from __future__ import annotations

import struct
from typing import Iterable, Optional

from node_helper.linux.netlink import ATTRIBUTE, TYPE, Malformed

_MOST = 64

_MOST_OF_A_LENGTH = 4

_Place = tuple[int, int, int]
"""An attribute's type, and where its value begins and ends."""
_Shape = tuple[struct.Struct, tuple[int, ...], list[_Place]]
"""How to read all headers, what they must be, and which values then stand where."""


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
        places = self._at_known_places(body)
        if places is None:
            places = self._learn(body)
        return {kind: body[begin:end] for kind, begin, end in places}

    def _at_known_places(self, body: bytes) -> Optional[list[_Place]]:
        for headers, expected, places in self._known.get(len(body), ()):
            if headers.unpack_from(body) == expected:
                return places
        return None

    def _learn(self, body: bytes) -> list[_Place]:
        form, after, expected, places = "=", 0, [], []
        at, end = self._at, len(body)
        while at + ATTRIBUTE.size <= end:
            length, kind = ATTRIBUTE.unpack_from(body, at)
            if length < ATTRIBUTE.size or at + length > end:
                raise Malformed(f"a netlink attribute says {length} of {end - at} bytes")
            form += f"{at - after}xHH"
            after = at + ATTRIBUTE.size
            expected += [length, kind]
            if kind & TYPE in self._only:
                places.append((kind & TYPE, after, at + length))
            at += (length + 3) & ~3
        if len(self._known) >= _MOST:
            self._known.clear()
        shape = struct.Struct(form), tuple(expected), places
        self._known[end] = (shape, *self._known.get(end, ())[: _MOST_OF_A_LENGTH - 1])
        return places
