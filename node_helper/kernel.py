"""The interface through which facts look at a kernel; `node_helper.records` is what it shows.

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
    from node_helper.records import (
        Address,
        Completed,
        Datagram,
        ForwardChain,
        Link,
        Neighbour,
        NeighbourTable,
        Page,
        Process,
        Reply,
        Route,
        Socket,
    )


@dataclass(frozen=True)
class Netns:
    """A network namespace: a path that opens it, and the inode that proves which one it is (see namespaces(7)).

    The inode is checked whenever the namespace is entered, because the path of a process may have passed to another.
    """

    path: str
    inode: int


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

    def sockets(self, netns: Netns, *, waiting: bool = False) -> tuple[Socket, ...]:
        """TCP and UDP sockets, IPv4 and IPv6; `waiting`: of TCP's those that listen, and one more where there are others."""

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
