"""The pieces from which iptables' words are made: addresses, ports, protocols, quoted text (libxtables, xtables.c)."""

from __future__ import annotations

import socket
from typing import Optional

PROTOCOLS = {
    1: "icmp", 2: "igmp", 4: "ipencap", 6: "tcp", 17: "udp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp",
    89: "ospf", 94: "ipip", 103: "pim", 112: "vrrp", 132: "sctp", 135: "mobility-header", 136: "udplite",
}  # fmt: skip
_PLAIN = frozenset("_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_FULL = {4: 32, 16: 128}


class Undecodable(ValueError):
    """A match, target or expression in a form that is not known here."""


def text(data: bytes) -> str:
    """A C string; bytes that are no text are written as escapes."""
    return data.partition(b"\0")[0].decode(errors="backslashreplace")


def quoted(said: str) -> str:
    """As xtables_save_string prints it: bare where it needs no quotes."""
    if said and _PLAIN.issuperset(said):
        return said
    return '"' + said.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'") + '"'


def address(data: bytes) -> str:
    """An address of 4 or 16 bytes."""
    if len(data) not in _FULL:
        raise Undecodable(f"an address of {len(data)} bytes")
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)  # noqa: PLR2004  (bytes of IPv4)


def network(data: bytes, mask: Optional[bytes] = None) -> str:
    """An address with its prefix length, or with its mask where that has holes."""
    full = _FULL.get(len(data), 0)
    if mask is None:
        return f"{address(data)}/{full}"
    bits = int.from_bytes(mask, "big")
    length = sum(bits >> at & 1 for at in range(full))
    if bits != ((1 << length) - 1) << (full - length):
        return f"{address(data)}/{address(mask)}"
    return f"{address(data)}/{length}"


def protocol(number: int) -> str:
    """Its name as iptables knows it, or its number."""
    return PROTOCOLS.get(number, str(number))


def ports(first: int, last: int) -> str:
    """One port or a range."""
    return str(first) if first == last else f"{first}:{last}"
