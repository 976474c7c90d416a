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
_FLAGS = 0x1 | 0x4 | 0x200 | 0x400  # NLM_F_REQUEST | _ACK | _EXCL | _CREATE
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
    nat_from: str = ""
    timeout: int = _HOUR


def add(where: Netns, entries: Iterable[Entry]) -> int:
    """Put entries into the table of a namespace; how many there are. Raises `OSError` for the first that the kernel refuses."""
    made, rest = 0, iter(entries)
    with netns.inside(where, nfnetlink.channel) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        while batch := list(islice(rest, _BATCH)):
            channel.send(b"".join(request(entry) for entry in batch))
            _acknowledged(channel, len(batch))
            made += len(batch)
    return made


def mixed(count: int, seed: int = 1) -> Iterator[Entry]:
    """Entries of every kind that conntrack knows, all different, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  (the same numbers for the same seed are the point)
    kinds = (*[_tcp] * 10, *[_udp] * 5, *[_ports] * 2, _icmp, _generic, _translated, _zoned)
    for number in range(count):
        yield kinds[number % len(kinds)](number, chance)


def request(entry: Entry) -> bytes:
    """The message that makes an entry; the kernel acknowledges it."""
    body = nfnetlink.head(socket.AF_INET6 if ":" in entry.src else socket.AF_INET)
    body += _tuple(1, entry.src, entry.dst, entry, entry.side_zone) + _tuple(2, entry.dst, entry.src, entry, None)
    body += attribute(7, struct.pack(">I", entry.timeout)) + attribute(3, struct.pack(">I", entry.status))
    body += _state(entry) + (attribute(8, struct.pack(">I", entry.mark)) if entry.mark else b"")
    body += b"" if entry.zone is None else attribute(18, struct.pack(">H", entry.zone))
    body += _translation(13, entry.nat_to) + _translation(6, entry.nat_from)
    return _HEADER.pack(_HEADER.size + len(body), nfnetlink.kind(nfnetlink.CONNTRACK, 0), _FLAGS, 1, 0) + body


def _pair(number: int, chance: random.Random) -> tuple[str, str]:
    """Different sources for different numbers, up to 2^24 of them; a few hundred destinations."""
    there = chance.randrange(300)
    if number % 7 == 0:
        return str(ipaddress.ip_address(f"fd00:{number >> 16:x}:{number & 0xFFFF:x}::5")), f"fd00:99::{there + 1:x}"
    return str(ipaddress.ip_address(0x0A000000 + number)), str(ipaddress.ip_address(0xC6120000 + there))


def _tcp(number: int, chance: random.Random) -> Entry:
    state = chance.choice((1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9))
    status = CONFIRMED | (0 if state == 1 else SEEN_REPLY) | (ASSURED if state in (3, 7) else 0)
    return Entry(
        *_pair(number, chance), TCP, (1024 + number % 60_000, 443), state, status, mark=chance.choice((0, 0, 7, 4_000_000_000))
    )


def _udp(number: int, chance: random.Random) -> Entry:
    status = CONFIRMED | chance.choice((0, SEEN_REPLY, SEEN_REPLY | ASSURED))
    return Entry(*_pair(number, chance), UDP, (1024 + number % 60_000, chance.choice((53, 123, 4789))), status=status)


def _ports(number: int, chance: random.Random) -> Entry:
    protocol = chance.choice((SCTP, UDPLITE, GRE))
    return Entry(*_pair(number, chance), protocol, (number % 65_536, 7), 4 if protocol == SCTP else None)


def _icmp(number: int, chance: random.Random) -> Entry:
    src, dst = _pair(number, chance)
    return Entry(src, dst, ICMPV6, (128, 0, number % 65_536)) if ":" in src else Entry(src, dst, ICMP, (8, 0, number % 65_536))


def _generic(number: int, chance: random.Random) -> Entry:
    return Entry(*_pair(number, chance), chance.choice((ESP, 89, 103)))


def _translated(number: int, chance: random.Random) -> Entry:
    src, dst = str(ipaddress.ip_address(0x0A000000 + number)), "10.96.0.10"
    plain = Entry(src, dst, UDP, (1024 + number % 60_000, 53), status=CONFIRMED | SEEN_REPLY)
    return replace(plain, nat_to="10.244.1.4") if chance.random() < 0.5 else replace(plain, nat_from="198.51.100.7")


def _zoned(number: int, chance: random.Random) -> Entry:
    plain, zone = Entry(*_pair(number, chance), UDP, (1024 + number % 60_000, 53)), chance.randrange(1, 9)
    return replace(plain, zone=zone) if chance.random() < 0.5 else replace(plain, side_zone=zone)


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


def _translation(kind: int, ip: str) -> bytes:
    if not ip:
        return b""
    packed = ipaddress.ip_address(ip).packed
    return _nest(kind, attribute(1, packed) + attribute(2, packed))


def _nest(kind: int, content: bytes) -> bytes:
    return attribute(kind | _NESTED, content)


def _acknowledged(channel: socket.socket, count: int) -> None:
    while count > 0:
        for _, _, _, body in messages(channel.recv(1 << 16)):
            code = -struct.unpack_from("=i", body)[0]
            if code:
                raise OSError(code, "the kernel refuses an entry")
            count -= 1
