"""Flows as lines that `conntrack -L` would print (libnetfilter_conntrack, src/conntrack/snprintf_default.c).

A writer is made once for each layout: which words it prints is decided there, and each line only fills them in.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, Callable

from node_helper.conntrack import names
from node_helper.conntrack.flow import address, text
from node_helper.conntrack.layout import Layout, Values

Line = Callable[[Values], str]
_Say = Callable[[Any], str]
_ADDRESSES = 4096
_ICMP = (names.ICMP, names.ICMPV6)
_PREFIXES = {"new": "    [NEW] ", "update": " [UPDATE] ", "destroy": "[DESTROY] ", "": ""}


def prefix(event: str) -> str:
    """What `conntrack -E` prints before the line of an event: new, update or destroy."""
    return _PREFIXES[event]


def writer(layout: Layout) -> Line:
    """What makes lines of the values of a layout."""
    pieces = [(layout.place(name), say) for name, say in _words(layout)]
    start = f"{names.PROTOCOLS.get(layout.protocol, 'unknown'):<8s} {layout.protocol} "

    def line(values: Values) -> str:
        return (start + "".join([say(None if at is None else values[at]) for at, say in pieces]))[:-1]

    return line


class Lines:
    """The lines of the first flows; what comes after the last that there is room for is let go."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: list[str] = []
        self._writers: dict[int, tuple[Layout, Line]] = {}

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def full(self) -> bool:
        """Whether there is no more room."""
        return len(self._lines) >= self._most

    def add(self, layout: Layout, values: Values, event: str = "", by: int = 0) -> None:
        """One more flow; `event` is what happened to it, `by` the netlink port of the program that asked for it."""
        if not self.full:
            known = self._writers.get(id(layout)) or self._writers.setdefault(id(layout), (layout, writer(layout)))
            self._lines.append(prefix(event) + known[1](values) + (f" [USERSPACE] portid={by}" if by else ""))

    def text(self) -> str:
        """All of them, each with its end."""
        return "".join([f"{line}\n" for line in self._lines])


def _words(layout: Layout) -> list[tuple[str, _Say]]:
    """Which value is said how, in order; what a message of this layout does not have is left out."""
    said: list[tuple[str, _Say]] = [("timeout", _number("")), *_states()]
    for side, status in (("orig", _unreplied), ("reply", _assured)):
        said += [(f"{side}_src", _address("src")), (f"{side}_dst", _address("dst")), *_ends(side, layout.protocol)]
        said += [(f"{side}_zone", _number(f"zone-{side}=")), *_counted(side, layout), ("status", status)]
    said += [("mark", _number("mark=")), ("secctx", _name("secctx=")), ("zone", _number("zone=")), ("start", _age)]
    said += [("helper", _name("helper=")), ("use", _number("use="))]
    return [(name, say) for name, say in said if name in layout.names or say in _ALWAYS]


def _states() -> list[tuple[str, _Say]]:
    # The library names states of DCCP with the words of SCTP.
    return [("tcp_state", _of(names.TCP_STATES)), ("sctp_state", _of(names.SCTP_STATES)), ("dccp_state", _of(names.SCTP_STATES))]


def _ends(side: str, protocol: int) -> list[tuple[str, _Say]]:
    if protocol in names.WITH_PORTS:
        return [(f"{side}_sport", _SPORT), (f"{side}_dport", _DPORT)]
    if protocol == names.GRE:
        return [(f"{side}_sport", _SRCKEY), (f"{side}_dport", _DSTKEY)]
    if protocol in _ICMP:
        return [(f"{side}_icmp_type", _TYPE), (f"{side}_icmp_code", _CODE), (f"{side}_icmp_id", _ICMP_ID)]
    return []


def _counted(side: str, layout: Layout) -> list[tuple[str, _Say]]:
    both = (f"{side}_packets", f"{side}_bytes")
    words = (_number("packets="), _number("bytes="))
    return list(zip(both, words)) if all(name in layout.names for name in both) else []


def _number(word: str) -> _Say:
    return lambda value: f"{word}{value} "


def _or_zero(word: str) -> _Say:
    return lambda value: f"{word}{value or 0} "


def _hex(word: str) -> _Say:
    return lambda value: f"{word}{value or 0:#x} "


def _name(word: str) -> _Say:
    return lambda value: f"{word}{text(value)} "


def _of(states: tuple[str, ...]) -> _Say:
    return lambda value: f"{states[value] if value < len(states) else states[0]} "


def _address(word: str) -> _Say:
    return lambda value: f"{word}={_written(value)} "


@lru_cache(maxsize=_ADDRESSES)
def _written(packed: bytes) -> str:
    return address(packed)


def _unreplied(status: int) -> str:
    return "" if status & names.SEEN_REPLY else "[UNREPLIED] "


def _assured(status: int) -> str:
    if status & names.HW_OFFLOAD:
        return "[HW_OFFLOAD] "
    if status & names.OFFLOAD:
        return "[OFFLOAD] "
    return "[ASSURED] " if status & names.ASSURED else ""


def _age(start: int) -> str:
    return f"delta-time={max(0, int(time.time()) - start // 1_000_000_000)} "


_SPORT, _DPORT, _SRCKEY, _DSTKEY = _or_zero("sport="), _or_zero("dport="), _hex("srckey="), _hex("dstkey=")
_TYPE, _CODE, _ICMP_ID = _or_zero("type="), _or_zero("code="), _or_zero("id=")
_ALWAYS = frozenset({_SPORT, _DPORT, _SRCKEY, _DSTKEY, _TYPE, _CODE, _ICMP_ID})
"""The tool prints these for their protocols even where the kernel said none."""
