"""One node's real kernel."""

# ruff: noqa: D102  (what each method promises stands in Kernel)
# What most questions have no need of is imported where it is used: http.client alone costs 18 ms of the helper's start.

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Optional, TypeVar

from node_helper.kernel import Netns
from node_helper.linux import files, netns
from node_helper.linux.errors import translated
from node_helper.linux.netlink import Netlink
from node_helper.linux.netlinks import Netlinks
from node_helper.linux.netns import inside
from node_helper.stop import Stop

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

T = TypeVar("T")


class Linux:
    """`node_helper.kernel.Kernel` of the machine this runs on, for one question; it stops waiting when the question ends.

    Any thread may use it. Needs root and the node's own /proc. `installed`: by an installation that may allow changes.
    """

    def __init__(self, stop: Stop, *, installed: bool = False) -> None:
        self._stop = stop
        self._installed = installed
        self._netlinks = Netlinks()

    def own_netns(self) -> Netns:
        return netns.own()

    def netns_of(self, pid: int) -> Netns:
        return netns.of(pid)

    def netns_at(self, path: str) -> Netns:
        return netns.at(path)

    def processes(self, mentioning: tuple[str, ...] = ()) -> Iterator[Process]:
        from node_helper.linux import processes

        return processes.read(mentioning)

    def read(self, path: str, limit: int = 1 << 20) -> Optional[str]:
        return files.read(path, limit)

    def read_end(self, path: str, limit: int = 1 << 20) -> Optional[str]:
        return files.read_end(path, limit)

    def read_in(self, netns: Netns, path: str, limit: int = 1 << 20) -> Optional[str]:
        return inside(netns, lambda: files.read(files.of_this_thread(path), limit))

    def files_in(self, netns: Netns, patterns: tuple[str, ...], limit: int = 1 << 12) -> dict[str, str]:
        from node_helper.linux import patterns as named

        return inside(netns, lambda: named.read(patterns, limit))

    def kernel_log(self, limit: int = 1 << 20) -> Optional[str]:
        from node_helper.linux import kmsg

        return kmsg.read(limit)

    def names_in(self, path: str) -> tuple[str, ...]:
        return files.names_in(path)

    def read_inside(self, pid: int, path: str, limit: int = 1 << 20) -> Optional[str]:
        return files.read_inside(pid, path, limit)

    def http_get(self, socket: str, path: str, limit: int = 1 << 22) -> Optional[str]:
        from node_helper.linux import unix_http

        return unix_http.get(socket, path, limit)

    def links(self, netns: Netns) -> tuple[Link, ...]:
        from node_helper.linux.rtnetlink import links

        return self._asked(netns, "the devices", links.read)

    def links_at(self, netns: Netns, indexes: tuple[int, ...]) -> tuple[Link, ...]:
        from node_helper.linux.rtnetlink import links

        return self._asked(netns, "devices", lambda netlink: links.read_at(netlink, indexes))

    def addresses(self, netns: Netns) -> tuple[Address, ...]:
        from node_helper.linux.rtnetlink import addresses

        return self._asked(netns, "the addresses", addresses.read)

    def netnsid(self, netns: Netns, of: Netns) -> Optional[int]:
        with translated("the id of a namespace"):
            return self._netlinks.netnsid(netns, of)

    def routes(self, netns: Netns) -> tuple[Route, ...]:
        from node_helper.linux.rtnetlink import routes

        return self._asked(netns, "the routes", _with_names(routes.read))

    def route_to(self, netns: Netns, address: str) -> Route:
        from node_helper.linux.rtnetlink import routes

        return self._asked(netns, "a route", lambda netlink: routes.lookup(netlink, address))

    def neighbours(self, netns: Netns) -> tuple[Neighbour, ...]:
        from node_helper.linux.rtnetlink import neighbours

        return self._asked(netns, "the neighbour tables", _with_names(neighbours.read))

    def neighbour_tables(self, netns: Netns) -> tuple[NeighbourTable, ...]:
        from node_helper.linux.rtnetlink import neighbour_tables

        return self._asked(netns, "the neighbour tables", neighbour_tables.read)

    def sockets(self, netns: Netns, *, waiting: bool = False) -> tuple[Socket, ...]:
        from node_helper.linux import sockets

        return self._inside(netns, "the sockets", lambda: sockets.read(waiting=waiting))

    def ipvs(self, netns: Netns, only: Optional[tuple[Virtual, ...]] = None) -> Optional[Table]:
        from node_helper.linux import ipvs

        return self._inside(netns, "IPVS", lambda: ipvs.read(only))

    def ipvs_connections(self, netns: Netns, only: Optional[tuple[Virtual, ...]] = None, most: int = 0) -> Optional[Connections]:
        from node_helper.linux import ipvs_connections

        return self._inside(netns, "IPVS's connections", lambda: ipvs_connections.read(only, most, self._stop))

    def conntrack(self, netns: Netns, message: int, body: bytes, *, dump: bool) -> Iterator[bytes]:
        from node_helper.linux import conntrack

        with translated("the conntrack table"):
            yield from conntrack.ask(netns, message, body, self._stop, dump=dump)

    def conntrack_events(self, netns: Netns, seconds: float) -> Iterator[Optional[bytes]]:
        from node_helper.linux import conntrack

        with translated("events of the conntrack table"):
            yield from conntrack.events(netns, seconds, self._stop)

    def run(self, argv: tuple[str, ...], netns: Optional[Netns] = None) -> Completed:
        from node_helper.linux import tools

        return self._inside(netns or self.own_netns(), argv[0], lambda: tools.run(argv, self._stop))

    def exchange(self, netns: Netns, request: Datagram) -> Reply:
        from node_helper.linux.probes import dns
        from node_helper.linux.probes.waiting import Attempt

        return self._inside(netns, "a DNS query", lambda: dns.exchange(request, Attempt(request.seconds, self._stop)))

    def exchange_together(self, netns: Netns, requests: tuple[Datagram, ...]) -> tuple[Reply, ...]:
        from node_helper.linux.probes import dns
        from node_helper.linux.probes.waiting import Attempt

        attempt = Attempt(requests[0].seconds, self._stop)
        return self._inside(netns, "DNS queries", lambda: dns.exchange_together(requests, attempt))

    def echo(self, netns: Netns, address: str, sequence: int, seconds: float) -> Reply:
        from node_helper.linux.probes import icmp
        from node_helper.linux.probes.waiting import Attempt

        return self._inside(netns, "an echo request", lambda: icmp.echo(address, sequence, Attempt(seconds, self._stop)))

    def connect(self, netns: Netns, address: str, port: int, seconds: float) -> Reply:
        from node_helper.linux.probes import tcp
        from node_helper.linux.probes.waiting import Attempt

        return self._inside(netns, "a connection", lambda: tcp.connect(address, port, Attempt(seconds, self._stop)))

    def ask_http(self, netns: Netns, address: str, port: int, path: str, seconds: float, limit: int) -> Page:
        from node_helper.linux.probes import http
        from node_helper.linux.probes.waiting import Attempt

        return self._inside(
            netns, f"{address}:{port}", lambda: http.get(address, port, path, Attempt(seconds, self._stop), limit)
        )

    def programs(self, netns: Netns) -> Programs:
        from node_helper.linux import programs

        return self._inside(netns, "eBPF programs", programs.read)

    def forward_chains(self, netns: Netns) -> tuple[ForwardChain, ...]:
        from node_helper.linux import forward_chains

        nftables = _speaks_nftables()
        return self._inside(netns, "the forward chains", lambda: tuple(forward_chains.read(nftables=nftables)))

    def filter_tables(self, netns: Netns) -> tuple[FilterTable, ...]:
        from node_helper.linux import filters

        nftables = _speaks_nftables()
        return self._inside(netns, "the packet filter's tables", lambda: tuple(filters.tables(nftables=nftables)))

    def filter_rules(self, netns: Netns, wanted: Wanted) -> Optional[RuleTable]:
        from node_helper.linux import filters

        nftables = _speaks_nftables()
        return self._inside(netns, f"table {wanted.table}", lambda: filters.read(wanted, nftables=nftables))

    def changes(self) -> Standing:
        from node_helper.changes.paths import Paths
        from node_helper.changes.standing import standing

        return standing(Paths(), is_installed=self._installed)

    def now(self) -> float:
        return time.time()

    def pause(self, seconds: float) -> None:
        self._stop.pause(seconds)

    def close(self) -> None:
        self._netlinks.close()

    def _asked(self, where: Netns, what: str, ask: Callable[[Netlink], T]) -> T:
        with translated(what):
            return self._netlinks.ask(where, ask)

    def _inside(self, where: Netns, what: str, work: Callable[[], T]) -> T:
        with translated(what):
            return inside(where, work)


def _with_names(ask: Callable[[Netlink, Mapping[int, str]], T]) -> Callable[[Netlink], T]:
    from node_helper.linux.rtnetlink import links

    return lambda netlink: ask(netlink, links.names(netlink))


def _speaks_nftables() -> bool:
    from node_helper.linux import forward_chains

    loaded = files.read("/proc/modules", 1 << 20)
    built_in = files.read(f"/lib/modules/{os.uname().release}/modules.builtin", 1 << 20) or ""
    return forward_chains.spoken(loaded, built_in)
