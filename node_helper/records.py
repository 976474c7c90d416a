"""What a kernel shows, as plain records; `node_helper.kernel.Kernel` gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Counters:
    """Packet counters of a device since it was made (struct rtnl_link_stats64)."""

    rx_packets: int
    rx_bytes: int
    rx_errors: int
    rx_dropped: int
    tx_packets: int
    tx_bytes: int
    tx_errors: int
    tx_dropped: int


@dataclass(frozen=True)
class Link:
    """One network device (rtnetlink(7), RTM_GETLINK).

    `link` is IFLA_LINK: for a veth the ifindex of its peer, in the namespace that `link_netnsid` names (None: this one).
    `state` is the RFC 2863 operational state in lower case as `ip` prints it; `kind` is IFLA_INFO_KIND, "" where there is none.
    """

    ifindex: int
    name: str
    kind: str
    mtu: int
    state: str
    flags: tuple[str, ...]
    mac: str
    master: Optional[int]
    link: Optional[int]
    link_netnsid: Optional[int]
    counters: Counters


@dataclass(frozen=True)
class Address:
    """An address of a device with its prefix length, as in "10.244.1.4/24"; `scope` as `ip` prints it."""

    ifindex: int
    address: str
    scope: str


@dataclass(frozen=True)
class NextHop:
    """Where a route sends packets: a gateway (None: on link), a device, a weight, flags (dead, linkdown, onlink, nhid N)."""

    via: Optional[str]
    device: Optional[str]
    weight: int = 1
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """One route (rtnetlink(7), RTM_GETROUTE). `destination` is "default" or a prefix; `kind` is unicast, blackhole, local, ...

    `tos` is the only type of service that it is for (0: for all); `pref` high, medium or low among routers of IPv6, else "".
    """

    family: int
    destination: str
    kind: str
    table: int
    hops: tuple[NextHop, ...]
    source: Optional[str] = None
    metric: Optional[int] = None
    protocol: str = ""
    scope: str = ""
    mtu: Optional[int] = None
    tos: int = 0
    pref: str = ""


@dataclass(frozen=True)
class Neighbour:
    """One entry of the ARP or NDP table; `state` in lower case as `ip neigh` prints it."""

    address: str
    device: str
    mac: Optional[str]
    state: str


@dataclass(frozen=True)
class NeighbourTable:
    """A neighbour table of the machine (RTM_GETNEIGHTBL); `entries` and counters are those of all namespaces together.

    `thresholds` are gc_thresh1 to 3. `table_fulls` counts entries refused for want of room; None: the kernel does not tell.
    `exempt` entries of the node's own namespace do not count against them; they are counted where there are as many as the limit.
    """

    name: str
    entries: int
    thresholds: tuple[int, ...]
    forced_gc_runs: int
    table_fulls: Optional[int]
    exempt: int = 0


@dataclass(frozen=True)
class Socket:
    """One socket as /proc/net/{tcp,tcp6,udp,udp6} shows it; `state` as `ss` prints it (LISTEN, ESTAB, UNCONN, ...)."""

    protocol: str
    state: str
    local: str
    local_port: int
    remote: str
    remote_port: int
    recv_queue: int
    send_queue: int
    drops: int = 0


@dataclass(frozen=True)
class Process:
    """A process: `started` in clock ticks after boot, `cgroups` the paths of /proc/PID/cgroup, `netns_inode` of its namespace."""

    pid: int
    parent: int
    started: int
    comm: str
    cgroups: tuple[str, ...]
    netns_inode: int


@dataclass(frozen=True)
class Completed:
    """What a reference tool printed: exit status, standard output, standard error; `cut` where the output ended at the budget."""

    status: int
    out: str
    err: str
    cut: bool = False


@dataclass(frozen=True)
class Datagram:
    """One message to one server; over "tcp" the kernel side adds the length prefix of RFC 1035 4.2.2."""

    server: str
    port: int
    transport: str
    payload: bytes
    seconds: float


@dataclass(frozen=True)
class Reply:
    """How a probe ended: `outcome` is answered, timeout, refused, unreachable, reset or (TCP) no-port, after `seconds`.

    `no-port`: every local port is taken for connections to that peer, so that nothing was sent. `payload` is what came back;
    `sender` is the address that answered or refused, where the kernel tells it. `taken_by` is the socket of this very namespace,
    such as "127.0.0.1:15001", that took a connection meant for somebody else.
    """

    outcome: str
    seconds: float
    payload: bytes = b""
    sender: str = ""
    taken_by: str = ""


@dataclass(frozen=True)
class Page:
    """How a GET ended: `outcome` as of a `Reply`; where it is answered, the status and what came."""

    outcome: str
    seconds: float
    status: int = 0
    body: str = ""


@dataclass(frozen=True)
class ForwardChain:
    """A chain on the forward hook of IP. `backend` is nftables (iptables-nft's included) or iptables-legacy.

    `policy` is ACCEPT or DROP; the counters are of packets that came to it, None where the kernel keeps none.
    """

    backend: str
    family: str
    table: str
    name: str
    priority: int
    policy: str
    packets: Optional[int]
    bytes: Optional[int]
