"""A node that exists on paper: its files, processes, namespaces, devices, daemons, tools and network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from node_helper.changes.standing import Standing
from node_helper.ipvs import Connections, Table, Virtual
from node_helper.kernel import Netns
from node_helper.linux import ipvs_connections
from node_helper.netfilter.records import FilterTable, Wanted
from node_helper.netfilter.records import Table as RuleTable
from node_helper.programs import Programs
from node_helper.protocol import CannotLook
from node_helper.records import (
    Address,
    Completed,
    Counters,
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

NODE = Netns("/proc/1/ns/net", 4026531840)
ZERO = Counters(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass
class PretendKernel:
    """Inodes stand for namespaces; `asked` records what was read, run and requested."""

    files: Mapping[str, str] = field(default_factory=dict)
    process_table: tuple[Process, ...] = ()
    pinned: Mapping[str, int] = field(default_factory=dict)
    http: Mapping[str, str] = field(default_factory=dict)
    tools: Callable[[tuple[str, ...]], Completed] | None = None
    devices: Mapping[int, tuple[Link, ...]] = field(default_factory=dict)
    address_table: Mapping[int, tuple[Address, ...]] = field(default_factory=dict)
    ids: Mapping[tuple[int, int], int] = field(default_factory=dict)
    route_table: tuple[Route, ...] = ()
    neighbour_table: tuple[Neighbour, ...] = ()
    neighbour_sizes: tuple[NeighbourTable, ...] = ()
    socket_table: tuple[Socket, ...] = ()
    ipvs_table: Table | None = None
    ipvs_lines: tuple[str, ...] = ()
    dns: Callable[[Datagram], Reply] | None = None
    echoes: list[Reply] = field(default_factory=list)
    handshake: Reply | None = None
    forwarding: tuple[ForwardChain, ...] = ()
    pages: Mapping[str, Page] = field(default_factory=dict)
    attached: Programs = Programs(())  # noqa: RUF009  (frozen)
    log: str | None = None
    tracked: Callable[[int, bytes], Iterable[bytes]] | None = None
    tracked_events: tuple[bytes | None, ...] = ()
    filters: tuple[FilterTable, ...] = ()
    rules_of: Callable[[Wanted], RuleTable | None] | None = None
    stands: Standing | None = None
    asked: list[str] = field(default_factory=list)

    def own_netns(self) -> Netns:
        return NODE

    def netns_of(self, pid: int) -> Netns:
        for process in self.process_table:
            if process.pid == pid:
                return Netns(f"/proc/{pid}/ns/net", process.netns_inode)
        raise CannotLook(f"process {pid} is no more", kind="gone")

    def netns_at(self, path: str) -> Netns:
        if path not in self.pinned:
            raise CannotLook(f"{path} is no namespace", kind="gone")
        return Netns(path, self.pinned[path])

    def processes(self, mentioning: tuple[str, ...] = ()) -> Iterator[Process]:
        for process in self.process_table:
            if not mentioning or any(word in path for word in mentioning for path in process.cgroups):
                yield process

    def read(self, path: str, limit: int = 1 << 20) -> str | None:
        self.asked.append(path)
        text = self.files.get(path)
        return None if text is None else text[:limit]

    def read_end(self, path: str, limit: int = 1 << 20) -> str | None:
        text = self.read(path)
        return None if text is None else text[-limit:]

    def read_in(self, netns: Netns, path: str, limit: int = 1 << 20) -> str | None:
        assert netns.path
        return self.read(path, limit)

    def files_in(self, netns: Netns, patterns: tuple[str, ...], limit: int = 1 << 12) -> dict[str, str]:
        assert netns == NODE
        return {path: text[:limit] for path, text in self.files.items() if any(_named(path, pattern) for pattern in patterns)}

    def neighbour_tables(self, netns: Netns) -> tuple[NeighbourTable, ...]:
        assert netns == NODE
        return self.neighbour_sizes

    def kernel_log(self, limit: int = 1 << 20) -> str | None:
        return None if self.log is None else self.log[-limit:]

    def conntrack(self, netns: Netns, message: int, body: bytes, *, dump: bool) -> Iterator[bytes]:
        assert netns == NODE
        self.asked.append(f"conntrack {message} {'dump' if dump else 'get'}")
        assert self.tracked is not None
        yield from self.tracked(message, body)

    def conntrack_events(self, netns: Netns, seconds: float) -> Iterator[bytes | None]:
        assert netns == NODE
        self.asked.append(f"conntrack events {seconds:g}")
        yield from self.tracked_events

    def names_in(self, path: str) -> tuple[str, ...]:
        below = (name.removeprefix(f"{path}/") for name in self.files if name.startswith(f"{path}/"))
        return tuple(sorted({name.split("/")[0] for name in below}))

    def read_inside(self, pid: int, path: str, limit: int = 1 << 20) -> str | None:
        return self.read(f"/proc/{pid}/root{path}", limit)

    def http_get(self, socket: str, path: str, limit: int = 1 << 22) -> str | None:
        self.asked.append(f"{socket} {path}")
        return next((body[:limit] for start, body in self.http.items() if path.startswith(start)), None)

    def links(self, netns: Netns) -> tuple[Link, ...]:
        return self.devices[netns.inode]

    def links_at(self, netns: Netns, indexes: tuple[int, ...]) -> tuple[Link, ...]:
        self.asked.extend(f"{netns.path}: link {index}" for index in indexes)
        return tuple(one for one in self.devices[netns.inode] if one.ifindex in indexes)

    def addresses(self, netns: Netns) -> tuple[Address, ...]:
        return self.address_table.get(netns.inode, ())

    def netnsid(self, netns: Netns, of: Netns) -> int | None:
        return self.ids.get((netns.inode, of.inode))

    def routes(self, netns: Netns) -> tuple[Route, ...]:
        assert netns.path
        return self.route_table

    def route_to(self, netns: Netns, address: str) -> Route:
        assert netns.path
        return next(route for route in self.route_table if route.destination == address)

    def neighbours(self, netns: Netns) -> tuple[Neighbour, ...]:
        assert netns.path
        return self.neighbour_table

    def sockets(self, netns: Netns, *, waiting: bool = False) -> tuple[Socket, ...]:
        assert netns.path
        connected = [s for s in self.socket_table if s.protocol.startswith("tcp") and s.state != "LISTEN"]
        return tuple(s for s in self.socket_table if not waiting or s not in connected[1:])

    def ipvs(self, netns: Netns, only: tuple[Virtual, ...] | None = None) -> Table | None:
        assert netns.path
        table = self.ipvs_table
        if table is None or only is None:
            return table
        keys = {(v.protocol, v.address, v.port) for v in only}
        return replace(table, virtual_servers=tuple(v for v in table.virtual_servers if (v.protocol, v.address, v.port) in keys))

    def ipvs_connections(self, netns: Netns, only: tuple[Virtual, ...] | None = None, most: int = 0) -> Connections | None:
        assert netns.path
        if self.ipvs_table is None:
            return None
        return ipvs_connections.tally((line.encode() for line in self.ipvs_lines), only, most)

    def run(self, argv: tuple[str, ...], netns: Netns | None = None) -> Completed:
        self.asked.append(f"{netns.path if netns else 'node'}: {' '.join(argv)}")
        if self.tools is None:
            raise CannotLook(f"the node has no {argv[0]}", kind="missing")
        return self.tools(argv)

    def exchange(self, netns: Netns, request: Datagram) -> Reply:
        assert netns.path
        assert self.dns is not None
        return self.dns(request)

    def exchange_together(self, netns: Netns, requests: tuple[Datagram, ...]) -> tuple[Reply, ...]:
        self.asked.append(f"{len(requests)} from one socket")
        return tuple(self.exchange(netns, request) for request in requests)

    def echo(self, netns: Netns, address: str, sequence: int, seconds: float) -> Reply:
        self.asked.append(f"{netns.path}: echo {address} {sequence} {seconds:g}")
        return self.echoes.pop(0)

    def connect(self, netns: Netns, address: str, port: int, seconds: float) -> Reply:
        self.asked.append(f"{netns.path}: connect {address} {port} {seconds:g}")
        assert self.handshake is not None
        return self.handshake

    def ask_http(self, netns: Netns, address: str, port: int, path: str, seconds: float, limit: int) -> Page:
        assert netns == NODE
        self.asked.append(f"GET http://{address}:{port}{path} {seconds:g} {limit}")
        return self.pages.get(f"{address}:{port}{path}", Page("refused", 0.0))

    def programs(self, netns: Netns) -> Programs:
        assert netns == NODE
        return self.attached

    def filter_tables(self, netns: Netns) -> tuple[FilterTable, ...]:
        assert netns.path
        return self.filters

    def filter_rules(self, netns: Netns, wanted: Wanted) -> RuleTable | None:
        assert netns == NODE
        assert self.rules_of is not None
        return self.rules_of(wanted)

    def forward_chains(self, netns: Netns) -> tuple[ForwardChain, ...]:
        assert netns == NODE
        return self.forwarding

    def changes(self) -> Standing:
        assert self.stands is not None
        return self.stands

    def now(self) -> float:
        return 1767225600.0

    def pause(self, seconds: float) -> None:
        self.asked.append(f"pause {seconds:g}")

    def close(self) -> None:
        self.asked.append("close")


def _named(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def process(pid: int, cgroup: str, netns: int, started: int, comm: str = "app") -> Process:
    return Process(pid, 1, started, comm, (cgroup,), netns)


def link(ifindex: int, name: str, kind: str = "", **known: Any) -> Link:
    """A device that is up and has nothing else to say than what is `known` of it."""
    plain = Link(ifindex, name, kind, 1500, "up", ("UP",), "02:00:00:00:00:01", None, None, None, ZERO)
    return replace(plain, **known)
