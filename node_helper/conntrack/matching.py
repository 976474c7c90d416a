"""Which flows are wanted: as requests that let the kernel choose, and as a test of what it gave.

CTA_FILTER exists since Linux 5.8 and CTA_STATUS as a filter since 5.16; older kernels ignore them and give everything. So every
flow is tested here again. An IPv6 address is never given to the kernel: ctnetlink_filter_match_tuple takes the result of
ipv6_addr_cmp for its opposite (seen on 6.18), and would leave out exactly what is wanted.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass, replace
from typing import Callable, Optional, Sequence

from node_helper.conntrack import names
from node_helper.conntrack.layout import Layout, Values
from node_helper.linux import nfnetlink
from node_helper.linux.netlink import attribute

Test = Callable[[Values], bool]
_NESTED = 0x8000
_ORIG, _REPLY, _STATUS, _MARK, _ZONE, _FILTER, _STATUS_MASK = 1, 2, 3, 8, 18, 25, 26
_IP, _PROTO, _NUM, _SPORT, _DPORT = 1, 2, 1, 2, 3
_F_SRC, _F_DST, _F_NUM, _F_SPORT, _F_DPORT = 1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 5  # CTA_FILTER_F_CTA_*
_IN_STATUS = {
    "UNREPLIED": (0, names.SEEN_REPLY),
    "REPLIED": (names.SEEN_REPLY, names.SEEN_REPLY),
    "ASSURED": (names.ASSURED, names.ASSURED),
    "SRC_NAT": (names.SRC_NAT, names.SRC_NAT),
    "DST_NAT": (names.DST_NAT, names.DST_NAT),
    "OFFLOAD": (names.OFFLOAD, names.OFFLOAD),
}
"""Words for bits of the status: what they must be, among which."""
WORDS = tuple(sorted({*_IN_STATUS, *(state for states in names.STATES.values() for state in states)}))
"""Every word that `state` may be."""


@dataclass(frozen=True)
class Wanted:
    """All that is given must hold. `src` and `dst` are those of the first packet, as `conntrack -L -s` and `-d` take them.

    `ends`: one of these addresses sent the first packet, or sends the answers (after translation: a pod behind a service).
    `port` is where the first packet went, or, after translation, where the answers come from.
    """

    ends: tuple[str, ...] = ()
    src: Optional[str] = None
    dst: Optional[str] = None
    protocol: Optional[int] = None
    port: Optional[int] = None
    state: str = ""
    mark: Optional[int] = None
    zone: Optional[int] = None

    @property
    def everything(self) -> bool:
        """Whether nothing is asked for in particular."""
        return self == Wanted()


@dataclass(frozen=True)
class _Side:
    """What one direction must be."""

    src: Optional[str] = None
    dst: Optional[str] = None
    protocol: Optional[int] = None
    sport: Optional[int] = None
    dport: Optional[int] = None


@dataclass(frozen=True)
class Request:
    """The body of a dump request, and what it lets the kernel choose by: a family (0: all) and the two directions."""

    body: bytes
    family: int = 0
    orig: _Side = _Side()
    reply: _Side = _Side()

    @property
    def chooses(self) -> bool:
        """Whether the kernel must be able to choose by tuples."""
        return bool(_flags(self.orig) or _flags(self.reply))

    @property
    def by_reply(self) -> bool:
        """Whether it must be able to choose by the reply direction."""
        return bool(_flags(self.reply))


def requests(wanted: Wanted) -> tuple[Request, ...]:
    """Dumps that together give every wanted flow, and few others. A flow may be in several of them."""
    families = _families(wanted)
    orig = _Side(_ipv4(wanted.src), _ipv4(wanted.dst), wanted.protocol)
    rest = _beside(wanted)
    if not families:
        return (Request(nfnetlink.head(0) + rest),)
    if wanted.ends:
        ends = dict.fromkeys(_ipv4(ip) for ip in wanted.ends)  # of IPv6 addresses one None remains: the whole family
        pairs = [(_family_of(ip), pair) for ip in ends for pair in _by_end(orig, ip)]
        return tuple(_request(family, *pair, rest) for family, pair in pairs if family in families)
    addressed = wanted.src is not None or wanted.dst is not None
    if wanted.port is not None and wanted.protocol in names.WITH_PORTS and not addressed:
        there = (replace(orig, dport=wanted.port), _Side())
        back = (orig, _Side(protocol=wanted.protocol, sport=wanted.port))
        return tuple(_request(family, *pair, rest) for family in families for pair in (there, back))
    return tuple(_request(family, orig, _Side(), rest) for family in families)


EVERYTHING = Request(nfnetlink.head(0))
"""The dump for kernels that cannot choose."""


def exactly(src: str, dst: str, protocol: int, sport: int, dport: int) -> bytes:
    """The body that asks for the one flow whose first packet went so (IPCTNL_MSG_CT_GET without NLM_F_DUMP)."""
    side = _Side(src, dst, protocol, sport, dport)
    return nfnetlink.head(_family_of(src)) + _tuple(_ORIG, side)


def probe(top: int) -> bytes:
    """A filter that makes no sense: a kernel that reads filters on this direction (1 or 2) refuses it with EINVAL.

    Linux 5.8 to 6.x read the reply direction by the flags of the original one (ctnetlink_alloc_filter), and find nothing by it.
    """
    return nfnetlink.head(socket.AF_INET) + _nest(top, b"") + _nest(_FILTER, attribute(top, struct.pack("=I", _F_SRC)))


def test(wanted: Wanted, layout: Layout) -> Optional[Test]:
    """Whether values of a layout are wanted; None where none of them is."""
    if wanted.protocol is not None and wanted.protocol != layout.protocol:
        return None
    tests = [_equal(layout, "orig_src", _packed(wanted.src)), _equal(layout, "orig_dst", _packed(wanted.dst))]
    tests += [_equal(layout, "mark", wanted.mark), _equal(layout, "zone", wanted.zone, absent=0)]
    if wanted.ends:
        packed = [_packed(ip) for ip in wanted.ends]
        tests.append(_any(_one_of(layout, "orig_src", packed), _one_of(layout, "reply_src", packed)))
    if wanted.port is not None:
        tests.append(_any(_one_of(layout, "orig_dport", [wanted.port]), _one_of(layout, "reply_sport", [wanted.port])))
    if wanted.state:
        tests.append(_in_state(layout, wanted.state))
    return _all(tests)


def given(request: Request, layout: Layout) -> Optional[Test]:
    """Whether values of a layout are among what a request asks the kernel for; None where none of them is."""
    if request.family not in (0, layout.family):
        return None
    tests: list[Test] = []
    for side, wanted in (("orig", request.orig), ("reply", request.reply)):
        if wanted.protocol not in (None, layout.protocol):
            return None
        tests += [_equal(layout, f"{side}_src", _packed(wanted.src)), _equal(layout, f"{side}_dst", _packed(wanted.dst))]
        tests += [_equal(layout, f"{side}_sport", wanted.sport), _equal(layout, f"{side}_dport", wanted.dport)]
    return _all(tests)


def _all(tests: list[Test]) -> Optional[Test]:
    if any(one is _never for one in tests):
        return None
    asked = [one for one in tests if one is not _always]
    if len(asked) <= 1:  # mostly: and it is called for each flow
        return asked[0] if asked else _always
    return lambda values: all(one(values) for one in asked)


def _always(_values: Values) -> bool:
    return True


def _never(_values: Values) -> bool:
    return False


def _equal(layout: Layout, name: str, value: object, absent: object = None) -> Test:
    if value is None:
        return _always
    at = layout.place(name)
    if at is None:
        return _always if value == absent else _never
    return lambda values: bool(values[at] == value)


def _one_of(layout: Layout, name: str, wanted: Sequence[object]) -> Test:
    at = layout.place(name)
    return _never if at is None else lambda values: values[at] in wanted


def _any(one: Test, other: Test) -> Test:
    if one is _never and other is _never:
        return _never
    return lambda values: one(values) or other(values)


def _in_state(layout: Layout, state: str) -> Test:
    if state in _IN_STATUS:
        at, (value, mask) = layout.place("status"), _IN_STATUS[state]
        return _never if at is None else lambda values: values[at] & mask == value
    numbers = [n for n, name in enumerate(names.STATES.get(layout.protocol, ())) if name == state]
    return _one_of(layout, f"{names.protocol(layout.protocol)}_state", list(numbers)) if numbers else _never


def _families(wanted: Wanted) -> tuple[int, ...]:
    """The families that can hold it; none where no tuple is to be chosen by."""
    one = {_family_of(ip) for ip in (wanted.src, wanted.dst) if ip}
    if one or wanted.ends:
        return tuple(sorted(one or {_family_of(ip) for ip in wanted.ends}))
    if wanted.protocol is None:
        return ()
    only = {names.ICMP: (socket.AF_INET,), names.ICMPV6: (socket.AF_INET6,)}
    return tuple(int(f) for f in only.get(wanted.protocol, (socket.AF_INET, socket.AF_INET6)))


def _family_of(ip: Optional[str]) -> int:
    return int(socket.AF_INET6 if ip is None or ":" in ip else socket.AF_INET)


def _ipv4(ip: Optional[str]) -> Optional[str]:
    return None if ip is None or ":" in ip else ip


def _by_end(orig: _Side, ip: Optional[str]) -> list[tuple[_Side, _Side]]:
    if ip is None:
        return [(orig, _Side())]
    there = [] if orig.src not in (None, ip) else [(replace(orig, src=ip), _Side())]
    return [*there, (orig, _Side(src=ip))]


def _request(family: int, orig: _Side, reply: _Side, rest: bytes) -> Request:
    flags = b""
    body = nfnetlink.head(family)
    for top, side in ((_ORIG, orig), (_REPLY, reply)):
        if _flags(side):
            body += _tuple(top, side)
            flags += attribute(top, struct.pack("=I", _flags(side)))  # CTA_FILTER_ORIG_FLAGS, CTA_FILTER_REPLY_FLAGS
    return Request(body + (_nest(_FILTER, flags) if flags else b"") + rest, family, orig, reply)


def _beside(wanted: Wanted) -> bytes:
    """What is chosen by beside the tuples."""
    body = b"" if wanted.mark is None else attribute(_MARK, struct.pack(">I", wanted.mark))
    body += b"" if wanted.zone is None else attribute(_ZONE, struct.pack(">H", wanted.zone))
    if wanted.state in _IN_STATUS:
        value, mask = _IN_STATUS[wanted.state]
        body += attribute(_STATUS, struct.pack(">I", value)) + attribute(_STATUS_MASK, struct.pack(">I", mask))
    return body


def _flags(side: _Side) -> int:
    given = ((side.src, _F_SRC), (side.dst, _F_DST), (side.protocol, _F_NUM), (side.sport, _F_SPORT), (side.dport, _F_DPORT))
    return sum(flag for value, flag in given if value is not None)


def _tuple(top: int, side: _Side) -> bytes:
    ip = b"".join(_ip(kind, value) for kind, value in ((1, side.src), (2, side.dst)) if value)
    proto = b"" if side.protocol is None else attribute(_NUM, bytes([side.protocol]))
    ports = ((_SPORT, side.sport), (_DPORT, side.dport))
    proto += b"".join(attribute(kind, struct.pack(">H", port)) for kind, port in ports if port is not None)
    return _nest(top, (_nest(_IP, ip) if ip else b"") + (_nest(_PROTO, proto) if proto else b""))


def _ip(kind: int, ip: str) -> bytes:
    return attribute(kind + 2 if ":" in ip else kind, ipaddress.ip_address(ip).packed)


def _nest(kind: int, content: bytes) -> bytes:
    return attribute(kind | _NESTED, content)


def _packed(ip: Optional[str]) -> Optional[bytes]:
    return ipaddress.ip_address(ip).packed if ip else None
