"""Entries for the conntrack table of a throw-away namespace, made through ctnetlink (IPCTNL_MSG_CT_NEW) in large numbers."""

from __future__ import annotations

import ipaddress
import random
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from node_helper.kernel import Netns
from node_helper.linux import netns, nfnetlink
from node_helper.linux.netlink import attribute, messages

_HEADER = struct.Struct("=IHHII")
_CHANGE = 0x1 | 0x4  # NLM_F_REQUEST | _ACK
_MAKE = _CHANGE | 0x200 | 0x400  # NLM_F_EXCL | _CREATE
_NESTED = 0x8000
_BATCH = 50
_HOUR = 36_000
ICMP, TCP, UDP, GRE, ESP, ICMPV6, SCTP, UDPLITE = 1, 6, 17, 47, 50, 58, 132, 136
SEEN_REPLY, ASSURED, CONFIRMED = 2, 4, 8


@dataclass(frozen=True)
class Entry:
    """One flow. `ends` are ports (of GRE: keys), or type, code and id of ICMP, or nothing."""

    src: str
    dst: str
    protocol: int
    ends: tuple[int, ...] = ()
    state: int | None = None
    status: int = CONFIRMED
    mark: int = 0
    zone: int | None = None
    side_zone: int | None = None
    nat_to: str = ""
    nat_to_ports: tuple[int, int] | None = None
    nat_from: str = ""
    nat_from_ports: tuple[int, int] | None = None
    timeout: int = _HOUR


def add(where: Netns, entries: Iterable[Entry]) -> int:
    """Put entries into the table of a namespace; how many there are. Raises `OSError` for the first that the kernel refuses."""
    return _send(where, (request(entry) for entry in entries))


def change(where: Netns, entries: Iterable[Entry]) -> int:
    """Let entries that are there have these states, marks and timeouts; translations cannot be changed."""
    return _send(where, (request(replace(entry, nat_to="", nat_from=""), _CHANGE) for entry in entries))


def mixed(count: int, seed: int = 1) -> Iterator[Entry]:
    """Entries of every kind that conntrack knows, of both families, all different, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  (the same numbers for the same seed are the point)
    for number in range(count):
        yield _KINDS[number % len(_KINDS)](number, chance)


def request(entry: Entry, flags: int = _MAKE) -> bytes:
    """The message that makes an entry; the kernel acknowledges it."""
    body = nfnetlink.head(socket.AF_INET6 if ":" in entry.src else socket.AF_INET)
    body += _tuple(1, entry.src, entry.dst, entry, entry.side_zone) + _tuple(2, entry.dst, entry.src, entry, None)
    body += attribute(7, struct.pack(">I", entry.timeout)) + attribute(3, struct.pack(">I", entry.status))
    body += _state(entry) + (attribute(8, struct.pack(">I", entry.mark)) if entry.mark else b"")
    body += b"" if entry.zone is None else attribute(18, struct.pack(">H", entry.zone))
    body += _translation(13, entry.nat_to, entry.nat_to_ports) + _translation(6, entry.nat_from, entry.nat_from_ports)
    return _HEADER.pack(_HEADER.size + len(body), nfnetlink.kind(nfnetlink.CONNTRACK, 0), flags, 1, 0) + body


def _send(where: Netns, requests: Iterator[bytes]) -> int:
    made = 0
    with netns.inside(where, nfnetlink.channel) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        while batch := list(islice(requests, _BATCH)):
            channel.send(b"".join(batch))
            _acknowledged(channel, len(batch))
            made += len(batch)
    return made


def _is_ipv6(number: int) -> bool:
    return number % _IPV6_EACH == 0


def _pair(number: int, chance: random.Random) -> tuple[str, str]:
    """Different sources for different numbers, up to 2^24 of them; a few hundred destinations."""
    there = chance.randrange(300)
    if _is_ipv6(number):
        return str(ipaddress.ip_address(f"fd00:{number >> 16:x}:{number & 0xFFFF:x}::5")), f"fd00:99::{there + 1:x}"
    return str(ipaddress.ip_address(0x0A000000 + number)), str(ipaddress.ip_address(0xC6120000 + there))


def _tcp(number: int, chance: random.Random) -> Entry:
    state = chance.choice((0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9))
    status = CONFIRMED | (0 if state == 1 else SEEN_REPLY) | (ASSURED if state in (3, 7) else 0)
    return Entry(
        *_pair(number, chance), TCP, (1024 + number % 60_000, 443), state, status, mark=chance.choice((0, 0, 7, 4_000_000_000))
    )


def _udp(number: int, chance: random.Random) -> Entry:
    return _with_ports(number, chance, UDP, chance.choice((53, 123, 4789)))


def _sctp(number: int, chance: random.Random) -> Entry:
    return replace(_with_ports(number, chance, SCTP, 3868), state=chance.randrange(9))


def _rare(number: int, chance: random.Random) -> Entry:
    return _with_ports(number, chance, chance.choice((UDPLITE, GRE)), 7)


def _with_ports(number: int, chance: random.Random, protocol: int, port: int) -> Entry:
    status = CONFIRMED | chance.choice((0, SEEN_REPLY, SEEN_REPLY | ASSURED))
    return Entry(*_pair(number, chance), protocol, (1024 + number % 60_000, port), status=status)


def _icmp(number: int, chance: random.Random) -> Entry:
    src, dst = _pair(number, chance)
    return Entry(src, dst, ICMPV6, (128, 0, number % 65_536)) if ":" in src else Entry(src, dst, ICMP, (8, 0, number % 65_536))


def _generic(number: int, chance: random.Random) -> Entry:
    return Entry(*_pair(number, chance), chance.choice((ESP, 89, 103)))


def _translated(number: int, chance: random.Random) -> Entry:
    """To a service of which a pod answers, from a node's address, or both; mostly with other ports."""
    plain = chance.choice((_tcp, _udp, _sctp, _rare_with_ports))(number, chance)
    if plain.state is None:
        plain = replace(plain, status=CONFIRMED | SEEN_REPLY)
    there, back = chance.choice((("to", ""), ("", "from"), ("to", "from")))
    service, pod, node = _TRANSLATED[":" in plain.src]
    if there:
        source, _ = plain.ends
        plain = replace(plain, dst=service, ends=(source, 53), nat_to=pod, nat_to_ports=chance.choice((None, (5353, 5353))))
    return replace(plain, nat_from=node, nat_from_ports=chance.choice((None, _OTHER_PORTS))) if back else plain


def _rare_with_ports(number: int, chance: random.Random) -> Entry:
    return _with_ports(number, chance, UDPLITE, 7)


def _zoned(number: int, chance: random.Random) -> Entry:
    plain, zone = chance.choice((_tcp, _udp, _sctp, _rare, _icmp, _generic))(number, chance), chance.randrange(1, 9)
    return replace(plain, zone=zone) if chance.random() < 0.5 else replace(plain, side_zone=zone)


_KINDS = (*[_tcp] * 9, *[_udp] * 5, _sctp, _rare, _icmp, _generic, *[_translated] * 2, _zoned)
_IPV6_EACH = 8  # shares no divisor with the kinds: each comes in both families
PERIOD = len(_KINDS) * _IPV6_EACH
"""After so many entries each kind has come in each family as often as after any other so many."""
_TRANSLATED = (("10.96.0.10", "10.244.1.4", "198.51.100.7"), ("fd00:96::10", "fd00:244::4", "fd00:100::7"))
"""A service, its pod and a node, of both families."""
_OTHER_PORTS = (61_024, 65_535)  # no entry begins at one of these


def _tuple(top: int, src: str, dst: str, entry: Entry, zone: int | None) -> bytes:
    first = 3 if ":" in src else 1
    ip = attribute(first, ipaddress.ip_address(src).packed) + attribute(first + 1, ipaddress.ip_address(dst).packed)
    proto = attribute(1, bytes([entry.protocol])) + _ends(entry, back=top == 2)
    zoned = b"" if zone is None else attribute(3, struct.pack(">H", zone))
    return _nest(top, _nest(1, ip) + _nest(2, proto) + zoned)


def _ends(entry: Entry, *, back: bool) -> bytes:
    if len(entry.ends) == 2:
        first, second = reversed(entry.ends) if back else entry.ends
        return attribute(2, struct.pack(">H", first)) + attribute(3, struct.pack(">H", second))
    if not entry.ends:
        return b""
    kind, code, number = entry.ends
    answer = {8: 0, 128: 129}[kind] if back else kind
    start = 4 if entry.protocol == ICMP else 7
    said = (struct.pack(">H", number), bytes([answer]), bytes([code]))
    return b"".join(attribute(start + at, value) for at, value in enumerate(said))


def _state(entry: Entry) -> bytes:
    if entry.state is None:
        return b""
    if entry.protocol == TCP:
        return _nest(4, _nest(1, attribute(1, bytes([entry.state]))))
    tags = attribute(2, struct.pack(">I", 1)) + attribute(3, struct.pack(">I", 2))
    return _nest(4, _nest(3, attribute(1, bytes([entry.state])) + tags))


def _translation(kind: int, ip: str, ports: tuple[int, int] | None) -> bytes:
    if not ip:
        return b""
    first, packed = (4 if ":" in ip else 1), ipaddress.ip_address(ip).packed
    least, most = ports or (0, 0)
    between = _nest(3, attribute(1, struct.pack(">H", least)) + attribute(2, struct.pack(">H", most))) if ports else b""
    return _nest(kind, attribute(first, packed) + attribute(first + 1, packed) + between)


def _nest(kind: int, content: bytes) -> bytes:
    return attribute(kind | _NESTED, content)


def _acknowledged(channel: socket.socket, count: int) -> None:
    while count > 0:
        for _, _, _, body in messages(channel.recv(1 << 16)):
            code = -struct.unpack_from("=i", body)[0]
            if code:
                raise OSError(code, "the kernel refuses an entry")
            count -= 1
