"""ctnetlink messages as the kernel writes them, made from plain values without any of our reading code; and their shapes."""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

NEW, DONE, ERROR = 0x100, 3, 2
_HEADER = struct.Struct("=IHHII")
_ICMP, _TCP, _UDP, _DCCP, _GRE, _ICMPV6, _SCTP, _UDPLITE = 1, 6, 17, 33, 47, 58, 132, 136
_STATES = {_TCP: "tcp_state", _DCCP: "dccp_state", _SCTP: "sctp_state"}


@dataclass(frozen=True)
class Said:
    """What a message says: `values` by the names of node_helper.conntrack.layout, and unknown attributes beside."""

    family: int
    protocol: int
    values: dict[str, Any]
    foreign: tuple[tuple[int, bytes], ...] = field(default=())


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute with its padding."""
    return struct.pack("=HH", 4 + len(content), kind) + content + b"\0" * (-len(content) % 4)


def nest(kind: int, *content: bytes) -> bytes:
    """Attributes in an attribute."""
    return attribute(kind | 0x8000, b"".join(content))


def message(said: Said, kind: int = NEW, sequence: int = 1, flags: int = 2) -> bytes:
    """In the order of ctnetlink_fill_info."""
    v = said.values
    body = struct.pack("=BBH", said.family, 0, 0) + _tuple(1, "orig", said) + _tuple(2, "reply", said)
    body += _number(18, ">H", v.get("zone")) + _number(3, ">I", v.get("status")) + _number(8, ">I", v.get("mark"))
    body += _number(12, ">I", v.get("id")) + _number(11, ">I", v.get("use")) + _number(7, ">I", v.get("timeout"))
    for top, side in ((9, "orig"), (10, "reply")):
        if f"{side}_packets" in v:
            body += nest(top, _number(1, ">Q", v[f"{side}_packets"]), _number(2, ">Q", v[f"{side}_bytes"]))
    if "start" in v:
        body += nest(20, _number(1, ">Q", v["start"]))
    for inner, name, beside in ((1, "tcp_state", b"\x23\0"), (2, "dccp_state", bytes(8)), (3, "sctp_state", bytes(4))):
        if name in v:
            body += nest(4, nest(inner, attribute(1, bytes([v[name]])), attribute(3, beside)))
    if "helper" in v:
        body += nest(5, attribute(1, v["helper"]))
    body += b"".join(attribute(k, content) for k, content in said.foreign)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 77) + body


def control(kind: int, code: int = 0) -> bytes:
    """The end of a dump, or an error."""
    return _HEADER.pack(_HEADER.size + 4, kind, 2, 1, 77) + struct.pack("=i", -code)


def _tuple(top: int, side: str, said: Said) -> bytes:
    v, four = said.values, said.family == socket.AF_INET
    ip = nest(1, attribute(1 if four else 3, v[f"{side}_src"]), attribute(2 if four else 4, v[f"{side}_dst"]))
    proto = attribute(1, bytes([said.protocol])) + _number(2, ">H", v.get(f"{side}_sport"))
    proto += _number(3, ">H", v.get(f"{side}_dport"))
    first = 4 if said.protocol == _ICMP else 7
    for at, (name, form) in enumerate((("icmp_id", ">H"), ("icmp_type", ">B"), ("icmp_code", ">B"))):
        proto += _number(first + at, form, v.get(f"{side}_{name}"))
    return nest(top, ip, nest(2, proto), _number(3, ">H", v.get(f"{side}_zone")))


def _number(kind: int, form: str, value: int | None) -> bytes:
    return b"" if value is None else attribute(kind, struct.pack(form, value))


def _u(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


@st.composite
def sayings(draw: st.DrawFn) -> Said:
    """Any flow that a kernel could tell of."""
    family = draw(st.sampled_from((socket.AF_INET, socket.AF_INET6)))
    protocol = draw(st.sampled_from((_TCP, _TCP, _UDP, _UDP, _DCCP, _GRE, _SCTP, _UDPLITE, _ICMP, _ICMPV6, 50, 255)))
    values: dict[str, Any] = {"status": draw(_u(16)), "id": draw(_u(32)), "use": draw(_u(8))}
    for side in ("orig", "reply"):
        values |= _side(draw, side, family, protocol)
    for name, bits in (("mark", 32), ("timeout", 32), ("zone", 16), ("start", 63)):
        if draw(st.booleans()):
            values[name] = draw(_u(bits))
    if draw(st.booleans()):
        values |= {f"{side}_{what}": draw(_u(64)) for side in ("orig", "reply") for what in ("packets", "bytes")}
    state = _STATES.get(protocol)
    if state and draw(st.booleans()):
        values[state] = draw(_u(8))
    if draw(st.integers(0, 9)) == 0:
        values["helper"] = draw(st.sampled_from((b"ftp\0", b"sip-5060\0", b"\xff<!channel>\0")))
    foreign = draw(
        st.lists(st.tuples(st.sampled_from((22, 24, 27, 40)), st.binary(max_size=16)), max_size=2, unique_by=lambda f: f[0])
    )
    return Said(family, protocol, values, tuple(foreign))


def _side(draw: st.DrawFn, side: str, family: int, protocol: int) -> dict[str, Any]:
    size = 4 if family == socket.AF_INET else 16
    said: dict[str, Any] = {f"{side}_{end}": draw(st.binary(min_size=size, max_size=size)) for end in ("src", "dst")}
    if protocol in (_TCP, _UDP, _DCCP, _GRE, _SCTP, _UDPLITE):
        said |= {f"{side}_sport": draw(_u(16)), f"{side}_dport": draw(_u(16))}
    if protocol in (_ICMP, _ICMPV6):
        said |= {f"{side}_icmp_id": draw(_u(16)), f"{side}_icmp_type": draw(_u(8)), f"{side}_icmp_code": draw(_u(8))}
    if draw(st.integers(0, 4)) == 0:
        said[f"{side}_zone"] = draw(_u(16))
    return said


def plain(src: str, dst: str, sport: int = 40000, dport: int = 80, protocol: int = _TCP, **values: Any) -> Said:
    """A flow without translation; of TCP an established one."""
    there, back = (ipaddress.ip_address(ip).packed for ip in (src, dst))
    said = {"orig_src": there, "orig_dst": back, "reply_src": back, "reply_dst": there, "orig_sport": sport, "orig_dport": dport,
            "reply_sport": dport, "reply_dport": sport, "status": 0xE, "mark": 0, "use": 1, "timeout": 60}  # fmt: skip
    state = {"tcp_state": 3} if protocol == _TCP else {}
    return Said(socket.AF_INET6 if ":" in src else socket.AF_INET, protocol, {**said, **state, **values})
