"""What a kernel shows, as plain records, and the interface through which facts look at it.

`node_helper.linux` looks at the real one; tests pretend one. Nothing behind this interface has an opinion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterator, Optional, Protocol

if TYPE_CHECKING:
    from node_helper.changes.standing import Standing
    from node_helper.ipvs import Connections, Table, Virtual
    from node_helper.netfilter.records import FilterTable, Wanted
    from node_helper.netfilter.records import Table as RuleTable
    from node_helper.programs import Programs


@dataclass(frozen=True)
class Netns:
    """A network namespace: a path that opens it, and the inode that proves which one it is (see namespaces(7)).

    The inode is checked whenever the namespace is entered, because the path of a process may have passed to another.
    """

    path: str
    inode: int


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
    """One route (rtnetlink(7), RTM_GETROUTE). `destination` is "default" or a prefix; `kind` is unicast, blackhole, local, ..."""

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
    """

    name: str
    entries: int
    thresholds: tuple[int, ...]
    forced_gc_runs: int
    table_fulls: Optional[int]


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


class Kernel(Protocol):
    """One node's kernel. Every method raises `CannotLook` where it could not look; none changes anything."""

    def own_netns(self) -> Netns:
        """The network namespace of the node (of PID 1)."""

    def netns_of(self, pid: int) -> Netns:
        """The namespace of a process. `CannotLook` of kind ``gone`` when there is no such process."""

    def netns_at(self, path: str) -> Netns:
        """The namespace pinned at a path such as /var/run/netns/cni-..."""

    def processes(self, mentioning: tuple[str, ...] = ()) -> Iterator[Process]:
        """Every process that is not a zombie, in no order; where words are given, those whose cgroup paths hold one of them."""

    def read(self, path: str, limit: int = 1 << 20) -> Optional[str]:
        """The text of a file of the node, at most `limit` bytes; None where there is none."""

    def read_end(self, path: str, limit: int = 1 << 20) -> Optional[str]:
        """As `read`, the last `limit` bytes."""

    def read_in(self, netns: Netns, path: str, limit: int = 1 << 20) -> Optional[str]:
        """As `read`, from inside a namespace: much of /proc/net and /proc/sys/net is another file in each."""

    def files_in(self, netns: Netns, patterns: tuple[str, ...], limit: int = 1 << 12) -> dict[str, str]:
        """The texts of the files that patterns such as "/proc/sys/net/ipv4/conf/*/rp_filter" name inside a namespace."""

    def kernel_log(self, limit: int = 1 << 20) -> Optional[str]:
        """The newest `limit` bytes of the records of /dev/kmsg, a line each; None where there is no such device."""

    def names_in(self, path: str) -> tuple[str, ...]:
        """The sorted names in a folder of the node; empty where there is none."""

    def read_inside(self, pid: int, path: str, limit: int = 1 << 20) -> Optional[str]:
        """As `read`, of the root that a process sees: no symbolic link leads out of it. ``gone`` without the process."""

    def http_get(self, socket: str, path: str, limit: int = 1 << 22) -> Optional[str]:
        """What a daemon answers to a GET on its unix socket; None where there is no such socket or no such thing (404)."""

    def links(self, netns: Netns) -> tuple[Link, ...]:
        """Every device, by ifindex."""

    def links_at(self, netns: Netns, indexes: tuple[int, ...]) -> tuple[Link, ...]:
        """Those of these devices that are there, without reading all that a node has."""

    def addresses(self, netns: Netns) -> tuple[Address, ...]:
        """Every address, IPv4 and IPv6."""

    def netnsid(self, netns: Netns, of: Netns) -> Optional[int]:
        """The id by which `netns` knows the namespace `of` (RTM_GETNSID); None where it has none."""

    def routes(self, netns: Netns) -> tuple[Route, ...]:
        """Every route of every table, IPv4 and IPv6."""

    def route_to(self, netns: Netns, address: str) -> Route:
        """The kernel's own lookup for one destination, policy rules included; kind ``unreachable`` where it finds none."""

    def neighbours(self, netns: Netns) -> tuple[Neighbour, ...]:
        """The ARP and NDP tables."""

    def neighbour_tables(self, netns: Netns) -> tuple[NeighbourTable, ...]:
        """How full those tables are, which are the machine's."""

    def sockets(self, netns: Netns) -> tuple[Socket, ...]:
        """TCP and UDP sockets, IPv4 and IPv6."""

    def ipvs(self, netns: Netns, only: Optional[tuple[Virtual, ...]] = None) -> Optional[Table]:
        """Every virtual server, or those of `only` that exist; None where the kernel has no IPVS now."""

    def ipvs_connections(self, netns: Netns, only: Optional[tuple[Virtual, ...]] = None, most: int = 0) -> Optional[Connections]:
        """IPVS's connections (those through `only`), summed up, and at most `most` one by one; None as above."""

    def conntrack(self, netns: Netns, message: int, body: bytes, *, dump: bool) -> Iterator[bytes]:
        """Datagrams that answer a request of IPCTNL_MSG_CT_GET, _GET_STATS_CPU or _GET_STATS; close it after the last.

        Where ctnetlink is a module that is not loaded, asking loads it: see `node_helper.conntrack.asking.require`.
        """

    def conntrack_events(self, netns: Netns, seconds: float) -> Iterator[Optional[bytes]]:
        """Events of the conntrack table for so long: a datagram each, b"" every half second, None where some were lost."""

    def run(self, argv: tuple[str, ...], netns: Optional[Netns] = None) -> Completed:
        """What a reference tool of the node prints, inside a namespace where one is given; ``missing`` where it is not there."""

    def exchange(self, netns: Netns, request: Datagram) -> Reply:
        """One request to a DNS server from inside a namespace, and what came back."""

    def exchange_together(self, netns: Netns, requests: tuple[Datagram, ...]) -> tuple[Reply, ...]:
        """Requests to one server over UDP, sent at once from one socket, and what came back to each."""

    def echo(self, netns: Netns, address: str, sequence: int, seconds: float) -> Reply:
        """One ICMP or ICMPv6 echo request from inside a namespace, and what came back."""

    def connect(self, netns: Netns, address: str, port: int, seconds: float) -> Reply:
        """One TCP handshake from inside a namespace, closed at once, and how it ended."""

    def ask_http(self, netns: Netns, address: str, port: int, path: str, seconds: float, limit: int) -> Page:
        """One GET to a server at an address of a namespace. ``budget`` where it says more than `limit` bytes."""

    def programs(self, netns: Netns) -> Programs:
        """The eBPF programs on the devices of a namespace and at the root of the node's cgroups."""

    def filter_tables(self, netns: Netns) -> tuple[FilterTable, ...]:
        """The packet filter tables that exist, of iptables in either form and of nftables."""

    def filter_rules(self, netns: Netns, wanted: Wanted) -> Optional[RuleTable]:
        """A table, or the wanted part of it; None where there is no such table."""

    def forward_chains(self, netns: Netns) -> tuple[ForwardChain, ...]:
        """The chains on the forward hook, of nftables and legacy tables, where these exist."""

    def changes(self) -> Standing:
        """How this node stands to changes, and what became of those that were made here."""

    def now(self) -> float:
        """The node's clock: seconds since the epoch."""

    def pause(self, seconds: float) -> None:
        """Wait between two probes."""

    def close(self) -> None:
        """Let go of what was opened for looking: an open socket keeps its namespace alive."""


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
    """How a probe ended: `outcome` is answered, timeout, refused, unreachable or reset, after `seconds`.

    `payload` is what came back; `sender` is the address that answered or refused, where the kernel tells it.
    """

    outcome: str
    seconds: float
    payload: bytes = b""
    sender: str = ""


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
