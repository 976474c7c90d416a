"""One flow as a record, from the values of its message."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, Mapping, Optional

from node_helper.conntrack import names
from node_helper.conntrack.layout import Layout, Values


@dataclass(frozen=True)
class Direction:
    """One direction of a flow. Ports (of GRE: keys) where the protocol has them; of ICMP the type, code and id."""

    src: str
    dst: str
    sport: Optional[int] = None
    dport: Optional[int] = None
    icmp_type: Optional[int] = None
    icmp_code: Optional[int] = None
    icmp_id: Optional[int] = None
    packets: Optional[int] = None
    bytes: Optional[int] = None
    zone: Optional[int] = None


@dataclass(frozen=True)
class Flow:
    """One entry of the conntrack table: as its first packet went (`original`), and as the answers come (`reply`).

    `state` is the protocol's own ("" where it has none); `status` the bits of enum ip_conntrack_status by name; `timeout` in
    seconds; `started` in seconds of the epoch, where the kernel notes it. Counters are there where accounting is on.
    """

    protocol: str
    state: str
    original: Direction
    reply: Direction
    status: tuple[str, ...] = ()
    timeout: Optional[int] = None
    mark: Optional[int] = None
    zone: Optional[int] = None
    helper: str = ""
    started: Optional[float] = None


def flow(layout: Layout, values: Values) -> Flow:
    """The record of what was read."""
    said: Mapping[str, Any] = dict(zip(layout.names, values))
    started = said.get("start")
    return Flow(
        protocol=names.protocol(layout.protocol),
        state=_state(layout, said),
        original=_direction("orig", said),
        reply=_direction("reply", said),
        status=tuple(name for bit, name in names.STATUS_BITS.items() if said.get("status", 0) & bit),
        timeout=said.get("timeout"),
        mark=said.get("mark"),
        zone=said.get("zone"),
        helper=text(said.get("helper", b"")),
        started=started / 1e9 if started else None,
    )


def address(packed: bytes) -> str:
    """An address as it is written."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)  # noqa: PLR2004  (bytes of IPv4)


def text(data: bytes) -> str:
    """A name of the kernel, up to its end."""
    return data.split(b"\0", 1)[0].decode(errors="backslashreplace")


def _state(layout: Layout, said: Mapping[str, Any]) -> str:
    for of in names.STATES:
        number = said.get(f"{names.PROTOCOLS[of]}_state")
        if number is not None and of == layout.protocol:
            return names.state(number, of)
    return ""


def _direction(side: str, said: Mapping[str, Any]) -> Direction:
    return Direction(
        address(said[f"{side}_src"]),
        address(said[f"{side}_dst"]),
        *(
            said.get(f"{side}_{name}")
            for name in ("sport", "dport", "icmp_type", "icmp_code", "icmp_id", "packets", "bytes", "zone")
        ),
    )
