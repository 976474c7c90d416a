"""Flows from the lines of `conntrack -L`, plain or extended (with the family in front), as conntrack-tools 1.4 prints them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from node_helper.codec import Malformed
from node_helper.conntrack import names
from node_helper.conntrack.flow import Direction, Flow
from node_helper.conntrack.wants import Which

_FAMILIES = {"ipv4": "2", "ipv6": "10"}
_STATES = frozenset(state for states in names.STATES.values() for state in states) | {"LISTEN"}
_FLAGS = {"[ASSURED]": ("ASSURED",), "[OFFLOAD]": ("OFFLOAD",), "[HW_OFFLOAD]": ("OFFLOAD", "HW_OFFLOAD")}
"""What the kernel has set where the tool prints this (nf_flow_table sets both for hardware)."""
_NUMBERS = {
    "sport": "sport", "dport": "dport", "type": "icmp_type", "code": "icmp_code", "id": "icmp_id", "packets": "packets",
    "bytes": "bytes", "srckey": "sport", "dstkey": "dport", "zone-orig": "zone", "zone-reply": "zone",
}  # fmt: skip
_DATES = re.compile(r" \[(?:start|stop)=[^\]]*\](?= |$)")  # of `-o ktimestamp`, with blanks inside


@dataclass
class _Read:
    """A line so far: what was said of each direction, which begins with its `src`, and of the whole."""

    sides: list[dict[str, str]] = field(default_factory=list)
    whole: dict[str, str] = field(default_factory=dict)
    status: list[str] = field(default_factory=list)
    state: str = ""
    timeout: int | None = None
    unreplied: bool = False


def flow(line: str) -> Flow:
    """The flow of one line. Raises `Malformed`."""
    words = _DATES.sub(" ", line).split()
    if words[:2] in [list(pair) for pair in _FAMILIES.items()]:
        words = words[2:]
    if len(words) < 2 or not _whole(words[1]):  # noqa: PLR2004  (a protocol's name and number)
        raise Malformed(f"{line[:60]!r} does not begin with a protocol and its number")
    read = _Read()
    for word in words[2:]:
        _take(read, word)
    if len(read.sides) != 2:  # noqa: PLR2004  (there and back)
        raise Malformed(f"{line[:60]!r} does not hold two directions")
    original, reply = (_direction(side) for side in read.sides)
    protocol = int(words[1])
    return Flow(
        protocol=names.protocol(protocol),
        state=_of_dccp(read.state) if protocol == names.DCCP else read.state,
        original=original,
        reply=reply,
        status=tuple(_status(read, original, reply)),
        timeout=read.timeout,
        mark=_number(read.whole, "mark"),
        zone=_number(read.whole, "zone"),
        helper=read.whole.get("helper", ""),
    )


def meant(flow: Flow, which: Which) -> bool:
    """Whether it is wanted, by the rules of `node_helper.conntrack.matching.Wanted`."""
    there, back = flow.original, flow.reply
    return (
        (not which.ends or there.src in which.ends or back.src in which.ends)
        and which.src in (None, there.src)
        and which.dst in (None, there.dst)
        and (which.protocol is None or names.protocol(names.number(which.protocol)) == flow.protocol)
        and which.port in (None, there.dport, back.sport)
        and which.mark in (None, flow.mark)
        and which.zone in (None, flow.zone or 0)
        and (which.state is None or _in_state(flow, which.state))
    )


def _in_state(flow: Flow, state: str) -> bool:
    replied = "SEEN_REPLY" in flow.status
    return {"UNREPLIED": not replied, "REPLIED": replied}.get(state, state == flow.state or state in flow.status)


def _take(read: _Read, word: str) -> None:
    name, equals, value = word.partition("=")
    if name == "src" and equals:
        read.sides.append({"src": value})
    elif equals and len(read.sides) and _of_direction(name, read.sides[-1]):
        read.sides[-1][name] = value
    elif equals:
        read.whole[name] = value
    elif word == "[UNREPLIED]":
        read.unreplied = True
    elif word in _FLAGS:
        read.status += _FLAGS[word]
    elif word in _STATES:
        read.state = word
    elif _whole(word) and read.timeout is None and not read.sides:
        read.timeout = int(word)
    elif not word.startswith("["):
        raise Malformed(f"{word[:40]!r} means nothing in a line of conntrack")


def _of_direction(name: str, side: dict[str, str]) -> bool:
    """An `id` is ICMP's where it follows a type of ICMP for the first time; the last one, of `-o id`, is the flow's own."""
    if name == "id":
        return "type" in side and "id" not in side
    return name == "dst" or name in _NUMBERS


def _direction(said: dict[str, str]) -> Direction:
    try:
        src, dst = (str(ipaddress.ip_address(said[name])) for name in ("src", "dst"))
    except (KeyError, ValueError) as e:
        raise Malformed(f"a direction without its addresses: {e}") from e
    numbers = {_NUMBERS[name]: _parsed(value) for name, value in said.items() if name in _NUMBERS}
    return Direction(src, dst, **numbers)


def _status(read: _Read, original: Direction, reply: Direction) -> list[str]:
    """The text does not say what was translated: the directions do."""
    status = [] if read.unreplied else ["SEEN_REPLY"]
    if reply.src != original.dst or reply.sport != original.dport:
        status.append("DST_NAT")
    if reply.dst != original.src or reply.dport != original.sport:
        status.append("SRC_NAT")
    return status + read.status


def _of_dccp(word: str) -> str:
    """The tool calls states of DCCP by the words of SCTP that have their numbers; newer ones do not."""
    return names.DCCP_STATES[names.SCTP_STATES.index(word)] if word in names.SCTP_STATES else word


def _number(said: dict[str, str], name: str) -> int | None:
    return _parsed(said[name]) if name in said else None


def _parsed(text: str) -> int:
    digits = text.removeprefix("0x")
    if not digits.isascii() or not digits.isalnum() or len(digits) > 20:  # noqa: PLR2004  (64 bits)
        raise Malformed(f"{text[:40]!r} is no number")
    try:
        return int(digits, 16 if text.startswith("0x") else 10)
    except ValueError as e:
        raise Malformed(f"{text[:40]!r} is no number") from e


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12  # noqa: PLR2004  (32 bits)
