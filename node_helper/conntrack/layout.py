"""The layout of a ctnetlink message: which value stands where. Found by reading every attribute, strictly; then reused.

Messages of one kind of flow have their values at the same places. A `Layout` knows what must stand in all attribute headers
(nested ones and the protocol numbers too): a message that agrees has this layout and no other, and one `struct` reads all of
its values. One message is compared under a mask; of many, one after the other, each byte of the headers is a column.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional

from node_helper.linux.netlink import Malformed

Values = tuple[Any, ...]
Path = tuple[int, ...]
HEAD = 24
"""Bytes of the netlink header, struct nfgenmsg and the first attribute's header: they choose which layout to try."""
BODY = 20  # where attributes begin
_ATTRIBUTE = struct.Struct("=HH")
_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_ORIG, _REPLY, _STATUS, _PROTOINFO, _HELP, _TIMEOUT, _MARK, _COUNTERS_ORIG, _COUNTERS_REPLY = 1, 2, 3, 4, 5, 7, 8, 9, 10
_USE, _ID, _ZONE, _SECCTX, _TIMESTAMP = 11, 12, 18, 19, 20
_IP, _PROTO, _TUPLE_ZONE = 1, 2, 3
_U8, _U16, _U32, _U64, _V4, _V6, _TEXT = "B", "H", "I", "Q", "4s", "16s", "s"
_SIZES = {_U8: 1, _U16: 2, _U32: 4, _U64: 8, _V4: 4, _V6: 16}
_FAMILIES = {socket.AF_INET: _V4, socket.AF_INET6: _V6}


def _tuple(top: int, side: str) -> dict[Path, tuple[str, str]]:
    """Struct nf_conntrack_tuple: enum ctattr_ip and enum ctattr_l4proto."""
    ip, proto = (top, _IP), (top, _PROTO)
    return {
        (*ip, 1): (f"{side}_src", _V4),
        (*ip, 2): (f"{side}_dst", _V4),
        (*ip, 3): (f"{side}_src", _V6),
        (*ip, 4): (f"{side}_dst", _V6),
        (*proto, 1): (f"{side}_protocol", _U8),
        (*proto, 2): (f"{side}_sport", _U16),
        (*proto, 3): (f"{side}_dport", _U16),
        (*proto, 4): (f"{side}_icmp_id", _U16),
        (*proto, 5): (f"{side}_icmp_type", _U8),
        (*proto, 6): (f"{side}_icmp_code", _U8),
        (*proto, 7): (f"{side}_icmp_id", _U16),
        (*proto, 8): (f"{side}_icmp_type", _U8),
        (*proto, 9): (f"{side}_icmp_code", _U8),
        (top, _TUPLE_ZONE): (f"{side}_zone", _U16),
    }


_LEAVES: dict[Path, tuple[str, str]] = {
    **_tuple(_ORIG, "orig"),
    **_tuple(_REPLY, "reply"),
    (_STATUS,): ("status", _U32),
    (_TIMEOUT,): ("timeout", _U32),
    (_MARK,): ("mark", _U32),
    (_USE,): ("use", _U32),
    (_ID,): ("id", _U32),
    (_ZONE,): ("zone", _U16),
    (_PROTOINFO, 1, 1): ("tcp_state", _U8),
    (_PROTOINFO, 2, 1): ("dccp_state", _U8),
    (_PROTOINFO, 3, 1): ("sctp_state", _U8),
    (_COUNTERS_ORIG, 1): ("orig_packets", _U64),
    (_COUNTERS_ORIG, 2): ("orig_bytes", _U64),
    (_COUNTERS_REPLY, 1): ("reply_packets", _U64),
    (_COUNTERS_REPLY, 2): ("reply_bytes", _U64),
    (_TIMESTAMP, 1): ("start", _U64),
    (_TIMESTAMP, 2): ("stop", _U64),
    (_HELP, 1): ("helper", _TEXT),
    (_SECCTX, 1): ("secctx", _TEXT),
}
_NESTS = frozenset(path[:depth] for path in _LEAVES for depth in range(1, len(path)))
_FIXED = ("orig_protocol", "reply_protocol")  # part of the layout, not values


class Place(NamedTuple):
    """A value of a message: its name, the first byte, how `struct` reads it."""

    name: str
    at: int
    form: str


class Layout(NamedTuple):
    """How to read messages of one kind.

    `names` are those of the values that `read(data, at)` gives, in its order; `read_all` gives those of whole messages, one
    after the other. `fixed` is each byte that all of them share, with its offset; that of the protocol stands at `protocol_at`.
    """

    size: int
    mask: int
    expected: int
    fixed: tuple[tuple[int, bytes], ...]
    read: Callable[[bytes, int], Values]
    read_all: Callable[[bytes], Iterator[Values]]
    names: tuple[str, ...]
    family: int
    protocol: int
    protocol_at: int

    def fits(self, message: bytes) -> bool:
        """Whether a whole message has this layout."""
        return len(message) == self.size and int.from_bytes(message, "little") & self.mask == self.expected

    def fits_all(self, messages: bytes) -> bool:
        """Whether these are whole messages, one after the other, that all have this layout."""
        count, rest = divmod(len(messages), self.size)
        return not rest and all(messages[at :: self.size] == byte * count for at, byte in self.fixed)

    def place(self, name: str) -> Optional[int]:
        """Where a value stands among those read; None where messages of this layout have none."""
        return self.names.index(name) if name in self.names else None


def learn(message: bytes, only: Optional[frozenset[str]] = None) -> Layout:
    """The layout of a whole message, its netlink header included; `only` these values are read. Raises `Malformed`."""
    if len(message) < HEAD:
        raise Malformed(f"a conntrack message of {len(message)} bytes")
    family = message[16]
    places, headers = _walked(message)
    _check(message, family, places)
    mask = bytearray(len(message))
    for at, size in headers + [(p.at, 1) for p in places.values() if p.name in _FIXED]:
        mask[at : at + size] = b"\xff" * size
    number = int.from_bytes(mask, "little")
    protocol_at = places["orig_protocol"].at
    wanted = sorted((p for p in places.values() if p.name not in _FIXED and (only is None or p.name in only)), key=lambda p: p.at)
    form = _struct(wanted, len(message))
    return Layout(
        size=len(message),
        mask=number,
        expected=int.from_bytes(message, "little") & number,
        fixed=tuple((at, message[at : at + 1]) for at, masked in enumerate(mask) if masked),
        read=form.unpack_from,
        read_all=form.iter_unpack,
        names=tuple(p.name for p in wanted),
        family=family,
        protocol=message[protocol_at],
        protocol_at=protocol_at,
    )


def _walked(message: bytes) -> tuple[dict[str, Place], list[tuple[int, int]]]:
    """Every value that is known, by its name, and the (offset, size) of every header, struct nfgenmsg included."""
    places: dict[str, Place] = {}
    headers = [(16, 4)]
    seen: set[Path] = set()
    nests: list[tuple[Path, int, int]] = [((), BODY, len(message))]
    while nests:
        above, at, end = nests.pop()
        while at < end:
            size, path = _header(message, at, end, above)
            if path in seen:
                raise Malformed(f"attribute {path} stands twice in a conntrack message")
            seen.add(path)
            headers.append((at, _ATTRIBUTE.size))
            if path in _NESTS:
                nests.append((path, at + _ATTRIBUTE.size, at + size))
            elif path in _LEAVES:
                place = _place(path, at + _ATTRIBUTE.size, size - _ATTRIBUTE.size)
                if place.name in places:
                    raise Malformed(f"{place.name} stands twice in a conntrack message")
                places[place.name] = place
            at += (size + 3) & ~3
    return places, headers


def _header(message: bytes, at: int, end: int, above: Path) -> tuple[int, Path]:
    if at + _ATTRIBUTE.size > end:
        raise Malformed(f"{end - at} bytes are left in a conntrack message")
    size, kind = _ATTRIBUTE.unpack_from(message, at)
    if size < _ATTRIBUTE.size or at + size > end:
        raise Malformed(f"attribute {kind & _TYPE} says {size} of {end - at} bytes")
    return size, (*above, kind & _TYPE)


def _place(path: Path, at: int, size: int) -> Place:
    name, form = _LEAVES[path]
    if form == _TEXT:
        return Place(name, at, f"{size}s")
    if size != _SIZES[form]:
        raise Malformed(f"{name} of {size} bytes where {_SIZES[form]} belong")
    return Place(name, at, form)


def _check(message: bytes, family: int, places: dict[str, Place]) -> None:
    """Both directions must be there, of the message's own family and of one protocol."""
    form = _FAMILIES.get(socket.AddressFamily(family)) if family in (socket.AF_INET, socket.AF_INET6) else None
    for name in ("orig_src", "orig_dst", "reply_src", "reply_dst"):
        if name not in places or places[name].form != form:
            raise Malformed(f"a flow of family {family} without a fitting {name}")
    if any(name not in places for name in _FIXED):
        raise Malformed("a flow without its protocol")
    if message[places["orig_protocol"].at] != message[places["reply_protocol"].at]:
        raise Malformed("a flow of one protocol there and another back")


def _struct(places: Iterable[Place], size: int) -> struct.Struct:
    form, at = ">", 0
    for place in places:
        form += f"{place.at - at}x{place.form}"
        at = place.at + struct.calcsize(f">{place.form}")
    return struct.Struct(f"{form}{size - at}x")
