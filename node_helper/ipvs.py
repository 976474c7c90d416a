"""What IPVS holds, as plain records: virtual servers, their real servers, and connections (linux/ip_vs.h, ipvsadm(8))."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal, Optional

Protocol = Literal["TCP", "UDP", "SCTP"]
NUMBERS: dict[str, int] = {"TCP": 6, "UDP": 17, "SCTP": 132}
LARGEST_PORT = 65535


@dataclass(frozen=True)
class Traffic:
    """What has passed since the entry was made; packets and bytes from the clients (in) and back to them (out)."""

    connections: int = 0
    in_packets: int = 0
    out_packets: int = 0
    in_bytes: int = 0
    out_bytes: int = 0


@dataclass(frozen=True)
class RealServer:
    """One destination of a virtual server. `port` is 0 where packets keep theirs.

    `forward` is Masq, Route, Tunnel, Local or Bypass, as `ipvsadm` says; `tunnel` is ipip, gue or gre for the third of them.
    `upper` and `lower` are the thresholds of connections (0: none). Counts are connections now; None where a saved
    text does not tell them.
    """

    address: str
    port: int
    forward: str
    weight: int
    active: Optional[int] = None
    inactive: Optional[int] = None
    persistent: Optional[int] = None
    upper: int = 0
    lower: int = 0
    tunnel: str = ""
    traffic: Optional[Traffic] = None


@dataclass(frozen=True)
class VirtualServer:
    """One virtual server: by protocol, address and port, or by firewall `mark` (then `protocol` and `address` are "").

    `flags` are the scheduler's own options as `ipvsadm` names them (sh-port, mh-fallback, flag-3); `ops` is one-packet
    scheduling. `persistence` is in seconds, None without; `netmask` groups clients for it: dotted, or an IPv6 prefix length.
    """

    family: Literal[4, 6]
    protocol: str
    address: str
    port: int
    scheduler: str
    mark: int = 0
    flags: tuple[str, ...] = ()
    ops: bool = False
    persistence: Optional[int] = None
    netmask: str = ""
    engine: str = ""
    traffic: Optional[Traffic] = None
    real_servers: tuple[RealServer, ...] = ()

    def __str__(self) -> str:
        if self.mark:
            return f"FWM {self.mark}{' IPv6' if self.family == 6 else ''}"  # noqa: PLR2004  (the family's own number)
        return f"{self.protocol} {endpoint(self.address, self.port)}"


@dataclass(frozen=True)
class Timeouts:
    """Seconds after which a silent connection is forgotten."""

    tcp: int
    tcp_fin: int
    udp: int


@dataclass(frozen=True)
class Table:
    """All of it, or what was asked for; `size` is the number of buckets of the connection table."""

    version: str
    size: int
    timeouts: Timeouts
    virtual_servers: tuple[VirtualServer, ...]


@dataclass(frozen=True)
class Virtual:
    """The key of a virtual server that is not asked for by mark."""

    protocol: Protocol
    address: str
    port: int

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.address)
        if not 0 <= self.port <= LARGEST_PORT:
            raise ValueError(f"port {self.port} is not between 0 and {LARGEST_PORT}")


@dataclass(frozen=True)
class Connection:
    """One entry of /proc/net/ip_vs_conn; `expires` in seconds. A source port of 0 is a template of persistence."""

    protocol: str
    source: str
    source_port: int
    virtual: str
    virtual_port: int
    destination: str
    destination_port: int
    state: str
    expires: int


@dataclass(frozen=True)
class Towards:
    """How many connections lead from one virtual server to one destination in one state; `longest` until the last expires."""

    protocol: str
    virtual: str
    virtual_port: int
    destination: str
    destination_port: int
    state: str
    connections: int
    longest: int


@dataclass(frozen=True)
class Connections:
    """The connection table: how many there are in all, summed up, and the first `entries` of it as they are."""

    total: int
    towards: tuple[Towards, ...]
    entries: tuple[Connection, ...] = ()


def endpoint(address: str, port: int) -> str:
    """An address with its port; IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
