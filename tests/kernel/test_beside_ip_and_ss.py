"""A namespace that has everything: links, addresses, routes, neighbours and sockets beside those of ip and ss, entry by entry."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from deploy.lab import packages
from node_helper.facts import interfaces, neighbours, routes, sockets
from node_helper.kernel import Netns
from node_helper.linux import netns
from node_helper.records import Link, Route, Socket
from tests.throwaway import LinuxWhere, namespace

pytestmark = pytest.mark.live
SETUP = """\
link add br0 type bridge
link add v0 mtu 1400 type veth peer v1
link set v0 master br0
link add mac0 link v1 type macvlan mode bridge
link add vx0 type vxlan id 7 dstport 4789 dev br0
link add down0 type veth peer down1
link set lo up
link set br0 up
link set v0 up
link set v1 up
link set mac0 up
link set vx0 up
addr add 10.99.0.1/24 dev v1
addr add 10.99.0.2/24 dev v1 label v1:more
addr add 10.99.1.1 peer 10.99.1.2 dev v1
addr add 192.0.2.1/32 dev lo
addr add 203.0.113.1/24 dev down0
addr add fd00:99::1/64 dev v1 nodad
addr add fd00:99::2/64 dev v1 nodad preferred_lft 0
addr add fd00:98::1/128 peer fd00:98::2 dev v1 nodad
route add default via 10.99.0.254 metric 50
route add default via 10.99.0.253 metric 100 proto static
route add 10.1.0.0/16 via 10.99.0.9 src 10.99.0.2 mtu 1300
route add blackhole 10.2.0.0/16
route add unreachable 10.3.0.0/16 metric 9
route add prohibit 10.4.0.0/16
route add throw 10.5.0.0/16 table 99
route add 10.6.0.0/16 table 1000 dev v1 scope link
route add 10.7.0.0/16 nexthop via 10.99.0.5 weight 3 nexthop via 10.99.0.6 weight 1
route add 10.8.0.0/16 via inet6 fd00:99::9 dev v1
route add 10.9.0.9 dev v1 tos 0x10
route add fd00:1::/64 via fd00:99::9 metric 7
route add fd00:2::/64 nexthop via fd00:99::5 nexthop via fd00:99::6
route add blackhole fd00:3::/64
route add unreachable fd00:4::/64 table 99
nexthop add id 1 via 10.99.0.5 dev v1
nexthop add id 2 via 10.99.0.6 dev v1
nexthop add id 12 group 1,2/2,5
route add 10.10.0.0/16 nhid 1
route add 10.11.0.0/16 nhid 12
neigh add 10.99.0.50 lladdr 02:00:00:00:00:50 dev v1 nud permanent
neigh add 10.99.0.51 lladdr 02:00:00:00:00:51 dev v1 nud reachable
neigh add 10.99.0.52 lladdr 02:00:00:00:00:52 dev v1 nud stale
neigh add 10.99.0.53 lladdr 02:00:00:00:00:53 dev v1 nud noarp
neigh add 10.99.0.54 dev v1 nud failed
neigh add fd00:99::50 lladdr 02:00:00:00:00:50 dev v1 nud permanent
neigh add fd00:99::52 lladdr 02:00:00:00:00:52 dev v1 router nud stale
neigh add proxy 10.99.0.60 dev v1
"""


@dataclass(frozen=True)
class Site:
    netns: Netns
    kernel: LinuxWhere
    tools: packages.Tools

    def run(self, *argv: str, text: str = "") -> str:
        inside = self.tools.argv(["nsenter", f"--net={self.netns.path}", *argv])
        done = subprocess.run(inside, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ip(self, *words: str) -> Any:
        return json.loads(self.run("ip", "-j", "-d", *words))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with namespace() as made, LinuxWhere(made) as kernel:
        found = Site(made, kernel, packages.prepare(print))
        found.run("ip", "-batch", "-", text=SETUP)
        yield found


def test_links_and_addresses_are_those_of_ip(site: Site) -> None:
    listed = site.ip("addr")
    names = {link["ifindex"]: link["ifname"] for link in listed}
    found = interfaces.collect(site.kernel, interfaces.Query(site.netns)).interfaces
    ours = {one.link.name: {**_of_link(one.link, names), "addresses": list(one.addresses)} for one in found}
    assert ours == {link["ifname"]: _told_link(link) for link in listed}


def _of_link(link: Link, names: dict[int, str]) -> dict[str, Any]:
    return {
        "index": link.ifindex, "mtu": link.mtu, "mac": link.mac, "state": link.state.upper(), "kind": link.kind,
        "flags": list(link.flags), "link": names.get(link.link or 0), "master": names.get(link.master or 0),
    }  # fmt: skip


def _told_link(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": told["ifindex"], "mtu": told["mtu"], "mac": told["address"], "state": told["operstate"],
        "kind": told.get("linkinfo", {}).get("info_kind", ""),
        "flags": [flag for flag in told["flags"] if flag != "M-DOWN"],  # ip's own word for a peer that is down
        "link": told.get("link"), "master": told.get("master"),
        "addresses": [f"{a['local']}/{a['prefixlen']}" for a in told["addr_info"]],
    }  # fmt: skip


@pytest.mark.parametrize(("family", "version"), [(socket.AF_INET, "-4"), (socket.AF_INET6, "-6")])
def test_routes_of_every_table_are_those_of_ip(site: Site, family: int, version: str) -> None:
    ours = [_of_route(r) for r in routes.collect(site.kernel, routes.Query(site.netns)).routes if r.family == family]
    listed = [r for r in site.ip(version, "route", "show", "table", "all") if r["table"] != "local"]
    assert len(ours) > 5
    assert sorted(ours, key=repr) == sorted(map(_told_route, listed), key=repr)


def _of_route(route: Route) -> dict[str, Any]:
    return {
        "to": route.destination.removesuffix("/32").removesuffix("/128"), "kind": route.kind,
        "table": {254: "main"}.get(route.table, str(route.table)), "hops": [(h.via, h.device, h.weight) for h in route.hops],
        "source": route.source, "metric": route.metric, "protocol": route.protocol, "scope": route.scope, "mtu": route.mtu,
    }  # fmt: skip


def _told_route(told: dict[str, Any]) -> dict[str, Any]:
    hops = told.get("nexthops") or ([told] if "dev" in told else [])
    return {
        "to": told["dst"], "kind": told["type"], "table": told["table"],
        "hops": [(h.get("gateway") or h.get("via", {}).get("host"), h["dev"], h.get("weight", 1)) for h in hops],
        "source": told.get("prefsrc"), "metric": told.get("metric"), "protocol": told["protocol"], "scope": told["scope"],
        "mtu": {key: n for each in told.get("metrics", []) for key, n in each.items()}.get("mtu"),
    }  # fmt: skip


def test_neighbours_in_every_state_are_those_of_ip(site: Site) -> None:
    found = neighbours.collect(site.kernel, neighbours.Query(site.netns)).neighbours
    told = site.ip("neigh")
    assert {n["state"][0] for n in told} == {"PERMANENT", "REACHABLE", "STALE", "FAILED"}
    ours = [(n.address, n.device, n.mac, n.state.upper()) for n in found]
    assert sorted(ours, key=repr) == sorted(((n["dst"], n["dev"], n.get("lladdr"), n["state"][0]) for n in told), key=repr)


def test_sockets_in_every_state_are_those_of_ss(site: Site) -> None:
    with ExitStack() as opened:
        netns.inside(site.netns, lambda: _sockets(opened))
        told = [line.split() for line in site.run("ss", "-Htuan").splitlines()]
        found = sockets.collect(site.kernel, sockets.Query(site.netns)).sockets
    assert {words[1] for words in told} == {"LISTEN", "ESTAB", "UNCONN", "TIME-WAIT", "CLOSE-WAIT", "FIN-WAIT-2", "SYN-SENT"}
    ours = [
        [
            s.protocol[:3],
            s.state,
            *map(str, (s.recv_queue, s.send_queue)),
            _end(s.local, s.local_port),
            _end(s.remote, s.remote_port),
        ]
        for s in found
    ]
    # Of a listening socket ss prints the most that may wait where others have what is to be sent.
    theirs = [[*words[:3], "0" if words[1] == "LISTEN" else words[3], *map(_unscoped, words[4:6])] for words in told]
    assert sorted(ours) == sorted(theirs)


def _sockets(opened: ExitStack) -> None:
    """Of both families, in the states in which they stay for a while."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        new = partial(_socket, opened, family)
        listening = new()
        listening.bind((host, 0))
        listening.listen(7)
        ends = [(new(), listening) for _ in range(4)]
        for ours, _ in ends:
            ours.connect(listening.getsockname())
        accepted = [opened.enter_context(listening.accept()[0]) for _ in range(3)]  # the fourth waits to be accepted
        ends[0][0].send(b"unread")
        ends[1][0].shutdown(socket.SHUT_WR)  # FIN-WAIT-2 here, CLOSE-WAIT there
        ends[2][0].close()
        accepted[2].close()  # TIME-WAIT
        bound, connected = (new(socket.SOCK_DGRAM) for _ in range(2))
        bound.bind((host, 0))
        connected.connect(bound.getsockname())
        connected.send(b"unread")
    both = _socket(opened, socket.AF_INET6)
    both.bind(("::", 0))
    both.listen()
    _socket(opened, socket.AF_INET6).connect(("::ffff:127.0.0.1", both.getsockname()[1]))
    waiting = _socket(opened, socket.AF_INET)
    waiting.setblocking(False)  # noqa: FBT003
    waiting.connect_ex(("10.99.0.50", 9))


def _of_socket(one: Socket) -> list[str]:
    ends = _end(one.local, one.local_port), _end(one.remote, one.remote_port)
    return [one.protocol[:3], one.state, str(one.recv_queue), str(one.send_queue), *ends]


def _socket(opened: ExitStack, family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    return opened.enter_context(socket.socket(family, kind))


def _end(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port or '*'}"


def _unscoped(end: str) -> str:
    """Ss prints `*` for an address of both families that is any."""
    host, _, port = end.rpartition(":")
    return f"{'[::]' if host == '*' else host.split('%')[0]}:{port}"
