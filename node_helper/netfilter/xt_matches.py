"""Matches of xtables as the words that iptables-save prints (linux/netfilter/xt_*.h; iptables, extensions/libxt_*.c)."""

from __future__ import annotations

import struct
from typing import Callable, Mapping

from node_helper.netfilter.xt_words import Undecodable, address, ports, quoted, text

_PORTS = struct.Struct("=4H")
_TCP = struct.Struct("=4H4B")
_SCTP = struct.Struct("=4H276xII")
_STATISTIC = struct.Struct("=HH3I")
_RECENT = struct.Struct("=IIBB200sBx16s")
_CONNTRACK = struct.Struct("=146x4H")
_MARK = struct.Struct("=IIB")
_ADDRTYPE = struct.Struct("=HHI")
_ADDRTYPE_0 = struct.Struct("=HHII")
_ALL_PORTS = (0, 0xFFFF)
_ALL_BITS = 0xFFFFFFFF
_STATES = ((1, "INVALID"), (8, "NEW"), (4, "RELATED"), (2, "ESTABLISHED"), (256, "UNTRACKED"), (64, "SNAT"), (128, "DNAT"))
_BY_STATE, _BY_ALIAS = 1, 1 << 13
_ADDRESS_TYPES = (
    "UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT",
    "XRESOLVE",
)  # fmt: skip
_RECENT_DOES = ((2, "--set"), (1, "--rcheck"), (4, "--update"), (8, "--remove"))
_RECENT_TTL, _RECENT_REAP = 16, 32
_TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
_MULTIPORT_KINDS = ("--sports", "--dports", "--ports")
_MOST_PORTS = 15


def words(name: str, revision: int, data: bytes, family: int) -> str:
    """One match as "-m name ...". Raises `Undecodable`. `family` is AF_INET or AF_INET6."""
    decode = _MATCHES.get((name, revision))
    if decode is None:
        raise Undecodable(name)
    try:
        return f"-m {name}{decode(data, family)}"
    except (struct.error, IndexError) as e:
        raise Undecodable(name) from e


def _known(name: str, bits: int, known: int) -> None:
    """Whether there are no other bits than those that are read. Raises `Undecodable`."""
    if bits & ~known:
        raise Undecodable(name)


def _comment(data: bytes, _family: int) -> str:
    return f" --comment {quoted(text(data))}"


def port_options(sources: tuple[int, int], destinations: tuple[int, int], inverted: int) -> str:
    """Source and destination ports; bit 0 of `inverted` is about the first, bit 1 about the second."""
    said = ""
    for option, between, bit in (("--sport", sources, 1), ("--dport", destinations, 2)):
        if between != _ALL_PORTS or inverted & bit:
            said += f"{' !' if inverted & bit else ''} {option} {ports(*between)}"
    return said


def _tcp(data: bytes, _family: int) -> str:
    low, high, to_low, to_high, option, mask, compared, inverted = _TCP.unpack_from(data)
    _known("tcp", inverted, 15)
    _known("tcp", mask, (1 << len(_TCP_FLAGS)) - 1)
    _known("tcp", compared, mask)
    said = port_options((low, high), (to_low, to_high), inverted)
    if option or inverted & 8:
        said += f"{' !' if inverted & 8 else ''} --tcp-option {option}"
    if mask or inverted & 4:
        said += f"{' !' if inverted & 4 else ''} --tcp-flags {_flags(mask)} {_flags(compared)}"
    return said


def _flags(bits: int) -> str:
    return ",".join(name for at, name in enumerate(_TCP_FLAGS) if bits & 1 << at) or "NONE"


def _udp(data: bytes, _family: int) -> str:
    low, high, to_low, to_high = _PORTS.unpack_from(data)
    _known("udp", data[_PORTS.size], 3)
    return port_options((low, high), (to_low, to_high), data[_PORTS.size])


def _sctp(data: bytes, _family: int) -> str:
    to_low, to_high, low, high, flags, inverted = _SCTP.unpack_from(data)
    _known("sctp", flags | inverted, 3)
    said = ""
    for option, bit, between in (("--sport", 1, (low, high)), ("--dport", 2, (to_low, to_high))):
        if flags & bit:
            said += f"{' !' if inverted & bit else ''} {option} {ports(*between)}"
    return said


def _multiport(data: bytes, _family: int) -> str:
    kind, count = data[0], data[1]
    if count > _MOST_PORTS:
        raise Undecodable("multiport")
    numbers, ranges, inverted = struct.unpack_from("=15H15BB", data, 2), data[32:47], data[47]
    said = "".join((":" if at and ranges[at - 1] else ",") + str(numbers[at]) for at in range(count))
    return f"{' !' if inverted else ''} {_MULTIPORT_KINDS[kind]} {said[1:]}"


def _statistic(data: bytes, _family: int) -> str:
    mode, flags, first, second, _ = _STATISTIC.unpack_from(data)
    _known("statistic", mode | flags, 1)
    invert = " !" if flags & 1 else ""
    if mode == 0:
        return f" --mode random{invert} --probability {first / 0x80000000:.11f}"
    return f" --mode nth{invert} --every {first + 1} --packet {second}"


def _recent(data: bytes, family: int) -> str:
    seconds, hits, does, inverted, name, side, mask = _RECENT.unpack_from(data)
    _known("recent", does, sum(bit for bit, _ in _RECENT_DOES) | _RECENT_TTL | _RECENT_REAP)
    _known("recent", inverted | side, 1)
    said = " !" if inverted else ""
    said += "".join(f" {option}" for bit, option in _RECENT_DOES if does & bit)
    said += f" --seconds {seconds}" if seconds else ""
    said += " --reap" if does & _RECENT_REAP else ""
    said += f" --hitcount {hits}" if hits else ""
    said += " --rttl" if does & _RECENT_TTL else ""
    where = address(mask[:4] if family == 2 else mask)  # noqa: PLR2004  (AF_INET)
    return f"{said} --name {text(name)} --mask {where} --{'rdest' if side else 'rsource'}"


def _conntrack(data: bytes, _family: int) -> str:
    flags, inverted, states, _ = _CONNTRACK.unpack_from(data)
    if flags & ~_BY_ALIAS != _BY_STATE or inverted & ~(_BY_STATE | _BY_ALIAS) or states & ~sum(bit for bit, _ in _STATES):
        raise Undecodable("conntrack")
    option = "--state" if flags & _BY_ALIAS else "--ctstate"
    return f"{' !' if inverted & 1 else ''} {option} {','.join(name for bit, name in _STATES if states & bit)}"


def _mark(data: bytes, _family: int) -> str:
    mark, mask, inverted = _MARK.unpack_from(data)
    _known("mark", inverted, 1)
    return mark_option(mark, mask, inverted=bool(inverted))


def mark_option(mark: int, mask: int, *, inverted: bool) -> str:
    """A mark, with its mask where that has not all bits."""
    return f"{' !' if inverted else ''} --mark 0x{mark:x}" + ("" if mask == _ALL_BITS else f"/0x{mask:x}")


def _addrtype(data: bytes, _family: int) -> str:
    source, destination, flags = _ADDRTYPE.unpack_from(data)
    _known("addrtype", flags, 15)
    return address_types(source, destination, flags)


def address_types(source: int, destination: int, flags: int) -> str:
    """Types of address; bits 0 and 1 of `flags` invert, bits 2 and 3 limit to the interface."""
    said = ""
    for option, types, bit in (("--src-type", source, 1), ("--dst-type", destination, 2)):
        if types:
            said += f"{' !' if flags & bit else ''} {option} {_types(types)}"
    return said + (" --limit-iface-in" if flags & 4 else "") + (" --limit-iface-out" if flags & 8 else "")


def _types(bits: int) -> str:
    if bits >> len(_ADDRESS_TYPES):
        raise Undecodable("addrtype")
    return ",".join(name for at, name in enumerate(_ADDRESS_TYPES) if bits & 1 << at)


def _addrtype_0(data: bytes, _family: int) -> str:
    source, destination, not_source, not_destination = _ADDRTYPE_0.unpack_from(data)
    return address_types(source, destination, bool(not_source) | bool(not_destination) << 1)


def _nfacct(data: bytes, _family: int) -> str:
    return f" --nfacct-name  {quoted(text(data[:32]))}"


_MATCHES: Mapping[tuple[str, int], Callable[[bytes, int], str]] = {
    ("comment", 0): _comment, ("tcp", 0): _tcp, ("udp", 0): _udp, ("sctp", 0): _sctp, ("multiport", 1): _multiport,
    ("statistic", 0): _statistic, ("recent", 1): _recent, ("conntrack", 3): _conntrack, ("mark", 1): _mark,
    ("addrtype", 0): _addrtype_0, ("addrtype", 1): _addrtype, ("nfacct", 0): _nfacct, ("nfacct", 1): _nfacct,
}  # fmt: skip
