"""Values of nf_tables' data types as `nft list` prints them (libnftables, datatype.h: the kernel keeps its numbers for it)."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

from node_helper.netfilter.xt_words import PROTOCOLS, Undecodable, address

_BITS = 6
VERDICT = 0xFFFFFF00
NAMES = {
    1: "verdict", 2: "nf_proto", 3: "bitmask", 4: "integer", 5: "string", 6: "ll_addr", 7: "ipv4_addr", 8: "ipv6_addr",
    9: "ether_addr", 10: "ether_type", 12: "inet_proto", 13: "inet_service", 14: "icmp_type", 19: "mark", 41: "ifname",
}  # fmt: skip


def names(kind: int) -> tuple[str, ...]:
    """The types of a set's key, of which a concatenation has several. Raises `Undecodable`."""
    if kind == VERDICT:
        return ("verdict",)
    found = []
    while kind:
        found.append(NAMES.get(kind & (1 << _BITS) - 1, ""))
        kind >>= _BITS
    if not all(found):
        raise Undecodable("a set of an unknown type")
    return tuple(reversed(found))


def value(kind: str, data: bytes) -> str:
    """One value. Raises `Undecodable`."""
    if kind not in _VALUES:
        raise Undecodable(f"a value of type {kind}")
    return _VALUES[kind](data)


def values(kinds: Sequence[str], data: bytes) -> str:
    """A concatenation: each part takes a multiple of four bytes. Raises `Undecodable`."""
    said, at = [], 0
    for kind in kinds:
        size = _SIZES.get(kind, 0)
        if not size or at + size > len(data):
            raise Undecodable(f"a value of type {kind}")
        said.append(value(kind, data[at : at + size]))
        at += (size + 3) & ~3
    if len(kinds) > 1 and at != len(data):
        raise Undecodable("a value longer than its type")
    return " . ".join(said)


_SIZES = {"ipv4_addr": 4, "ipv6_addr": 16, "inet_proto": 1, "inet_service": 2, "mark": 4, "integer": 4}
_VALUES: Mapping[str, Callable[[bytes], str]] = {
    "ipv4_addr": address,
    "ipv6_addr": address,
    "inet_proto": lambda data: PROTOCOLS.get(data[0], str(data[0])),
    "inet_service": lambda data: str(int.from_bytes(data, "big")),
    "mark": lambda data: f"0x{int.from_bytes(data, 'little'):08x}",
    "integer": lambda data: str(int.from_bytes(data, "little")),
}
