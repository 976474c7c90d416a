"""A namespace that has everything: links, addresses, routes, neighbours and sockets beside those of ip and ss, entry by entry."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
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
link add dead0 type veth peer dead1
link add quiet0 type veth peer quiet1
link set lo up
link set br0 up
link set v0 up
link set v1 up
link set mac0 up
link set vx0 up
link set dead0 up
link set dead1 up
link set quiet0 up
link set quiet1 up
addr add 10.99.0.1/24 dev v1
addr add 10.99.0.2/24 dev v1 label v1:more
addr add 10.99.1.1 peer 10.99.1.2 dev v1
addr add 192.0.2.1/32 dev lo
addr add 203.0.113.1/24 dev down0
addr add 203.0.114.1/24 dev dead0
addr add 203.0.115.1/24 dev quiet0
addr add fd00:97::1/64 dev quiet0 nodad
addr add 10.99.3.1/24 dev v1 scope link
addr add 10.99.4.1/24 dev v1 scope host
addr add 10.99.5.1/24 dev v1 scope site
addr add 10.99.6.1/24 dev v1 scope 100
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
route add 10.9.0.9 dev v1
route add 10.9.0.9 dev v1 tos 0x10
route add 10.9.0.9 dev v1 tos 0x04
route add 10.12.0.0/16 via 192.0.2.77 dev v1 onlink
route add unreachable 10.13.0.0/16 table local
route add 10.14.0.0/16 nexthop via 10.99.0.5 dev v1 nexthop via 203.0.114.9 dev dead0 weight 4
route add fd00:1::/64 via fd00:99::9 metric 7
route add fd00:2::/64 nexthop via fd00:99::5 nexthop via fd00:99::6
route add fd00:5::/64 via fd00:99::9 pref high
route add fd00:6::/64 via fd00:99::9 pref low
route add fd00:7::/64 via fd00:77::9 dev v1 onlink
route add blackhole fd00:3::/64
route add unreachable fd00:4::/64 table 99
link set dead0 down
link set quiet1 down
nexthop add id 1 via 10.99.0.5 dev v1
nexthop add id 2 via 10.99.0.6 dev v1
nexthop add id 12 group 1,2/2,5
route add 10.10.0.0/16 nhid 1
route add 10.11.0.0/16 nhid 12
""" + "".join(f"route add 10.20.{number}.0/24 dev v1 proto {number}\n" for number in range(256))
NEIGHBOURS = """\
neigh add 10.99.0.50 lladdr 02:00:00:00:00:50 dev v1 nud permanent
neigh add 10.99.0.51 lladdr 02:00:00:00:00:51 dev v1 nud reachable
neigh add 10.99.0.52 lladdr 02:00:00:00:00:52 dev v1 nud stale
neigh add 10.99.0.53 lladdr 02:00:00:00:00:53 dev v1 nud noarp
neigh add 10.99.0.54 dev v1 nud failed
neigh add 10.99.0.55 dev v1 nud incomplete
neigh add 10.99.0.56 lladdr 02:00:00:00:00:56 dev v1 nud stale
neigh add fd00:99::56 lladdr 02:00:00:00:00:56 dev v1 nud stale
neigh add 10.99.0.57 lladdr 02:00:00:00:00:57 dev v1 nud probe
neigh add fd00:99::50 lladdr 02:00:00:00:00:50 dev v1 nud permanent
neigh add fd00:99::52 lladdr 02:00:00:00:00:52 dev v1 router nud stale
neigh add proxy 10.99.0.60 dev v1
"""
# Neighbours that do not answer stay as they are.
PATIENCE = {"retrans_time_ms": 600_000, "delay_first_probe_time": 600, "base_reachable_time_ms": 600_000}


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
        netns.inside(made, wait_long)
        found.run("ip", "-batch", "-", text=NEIGHBOURS)
        netns.inside(made, use_stale)
        yield found


def wait_long() -> None:
    for name, value in PATIENCE.items():
        for family in ("ipv4", "ipv6"):
            Path(f"/proc/sys/net/{family}/neigh/v1/{name}").write_text(str(value))


def use_stale() -> None:
    """What is sent to a neighbour that was not heard of for long makes it wait for a sign of life (delay)."""
    for family, host in ((socket.AF_INET, "10.99.0.56"), (socket.AF_INET6, "fd00:99::56")):
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", (host, 9))


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


def test_addresses_have_the_scope_that_ip_prints(site: Site) -> None:
    ours = [(a.ifindex, a.address, a.scope) for a in site.kernel.addresses(site.netns)]
    told = [
        (link["ifindex"], f"{a['local']}/{a['prefixlen']}", a["scope"]) for link in site.ip("addr") for a in link["addr_info"]
    ]
    assert sorted(ours) == sorted(told)
    assert {scope for _, _, scope in ours} == {"global", "host", "link", "site", "100"}


@pytest.mark.parametrize(("family", "version"), [(socket.AF_INET, "-4"), (socket.AF_INET6, "-6")])
def test_routes_of_every_table_are_those_of_ip(site: Site, family: int, version: str) -> None:
    """Those that a network card carries out (offload, trap) this kernel cannot have."""
    everything = [r for r in site.kernel.routes(site.netns) if r.family == family]
    listed = [_told_route(r) for r in site.ip(version, "route", "show", "table", "all")]
    assert sorted(map(_of_route, everything), key=repr) == sorted(listed, key=repr)
    shown = [r for r in routes.collect(site.kernel, routes.Query(site.netns)).routes if r.family == family]
    made = ("local", "broadcast", "multicast", "anycast")
    assert list(map(_of_route, shown)) == [
        r for r in map(_of_route, everything) if (r["table"], r["kind"]) not in product(["local"], made)
    ]


def test_the_routes_have_all_that_a_route_can_have(site: Site) -> None:
    found = site.kernel.routes(site.netns)
    assert {flag for r in found for h in r.hops for flag in h.flags} == {"onlink", "linkdown", "dead"}
    assert len({r.protocol for r in found if r.destination.startswith("10.20.")}) == 256
    assert {r.pref for r in found} == {"", "low", "medium", "high"}
    assert [r.tos for r in found if r.destination == "10.9.0.9/32"] == [0x10, 0x04, 0]


def test_objects_of_next_hops_are_named_where_the_kernel_does_not_tell_what_is_in_them(site: Site) -> None:
    compatible = Path("/proc/sys/net/ipv4/nexthop_compat_mode")
    netns.inside(site.netns, lambda: compatible.write_text("0"))
    told = {r["dst"]: f"nhid {r['nhid']}" for r in site.ip("-4", "route") if "nhid" in r}
    ours = {r.destination: r.hops[0].flags[0] for r in site.kernel.routes(site.netns) if r.destination in told}
    netns.inside(site.netns, lambda: compatible.write_text("1"))
    assert ours == told == {"10.10.0.0/16": "nhid 1", "10.11.0.0/16": "nhid 12"}


def _of_route(route: Route) -> dict[str, Any]:
    return {
        "to": route.destination.removesuffix("/32").removesuffix("/128"), "kind": route.kind,
        "table": {254: "main", 255: "local"}.get(route.table, str(route.table)),
        "hops": [(h.via, h.device, h.weight, sorted(h.flags)) for h in route.hops],
        "source": route.source, "metric": route.metric, "protocol": route.protocol, "scope": route.scope, "mtu": route.mtu,
        "tos": route.tos, "pref": route.pref,
    }  # fmt: skip


def _told_route(told: dict[str, Any]) -> dict[str, Any]:
    hops = told.get("nexthops") or ([told] if "dev" in told else [])
    return {
        "to": told["dst"], "kind": told["type"], "table": told["table"],
        "hops": [(_via(h), h["dev"], h.get("weight", 1), sorted(h["flags"])) for h in hops],
        "source": told.get("prefsrc"), "metric": told.get("metric"), "protocol": told["protocol"], "scope": told["scope"],
        "mtu": {key: n for each in told.get("metrics", []) for key, n in each.items()}.get("mtu"),
        "tos": int(told.get("tos", "0"), 16), "pref": told.get("pref", ""),
    }  # fmt: skip


def _via(hop: dict[str, Any]) -> Any:
    return hop.get("gateway") or hop.get("via", {}).get("host")


def test_neighbours_in_every_state_are_those_of_ip(site: Site) -> None:
    found = neighbours.collect(site.kernel, neighbours.Query(site.netns)).neighbours
    told = site.ip("neigh")
    assert {n["state"][0] for n in told} == {"PERMANENT", "REACHABLE", "STALE", "FAILED", "INCOMPLETE", "DELAY", "PROBE"}
    ours = [(n.address, n.device, n.mac, n.state.upper()) for n in found]
    assert sorted(ours, key=repr) == sorted(((n["dst"], n["dev"], n.get("lladdr"), n["state"][0]) for n in told), key=repr)


def test_sockets_in_every_state_are_those_of_ss(site: Site) -> None:
    with ExitStack() as opened:
        netns.inside(site.netns, lambda: _sockets(opened))
        halves = netns.inside(site.netns, lambda: _connected_from(opened, _UNHEARD))
        site.run("nft", "-f", "-", text=_SILENCE)
        netns.inside(site.netns, lambda: _half_closed(halves))
        told = [line.split() for line in site.run("ss", "-Htuan").splitlines()]
        found = sockets.collect(site.kernel, sockets.Query(site.netns)).sockets
    for version in (4, 6):
        seen = {words[1] for words in told if ("[" in words[4]) == (version == 6)}
        assert seen == {
            "LISTEN", "ESTAB", "UNCONN", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING",
            "TIME-WAIT",
        }  # fmt: skip
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
    # Of a listening socket ss prints the most that may wait where others have what is to be sent; /proc does not tell it.
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
    for family, host in ((socket.AF_INET, "10.99.0.50"), (socket.AF_INET6, "fd00:99::50")):
        waiting = _socket(opened, family)
        waiting.setblocking(False)  # noqa: FBT003
        waiting.connect_ex((host, 9))


_UNHEARD = range(45_000, 45_004)
_SILENCE = f"""\
table inet silence {{
    chain heard {{ type filter hook input priority filter
        tcp dport {_UNHEARD[0]}-{_UNHEARD[-1]} drop
    }}
}}
"""


def _connected_from(opened: ExitStack, ports: range) -> list[tuple[socket.socket, list[socket.socket], list[socket.socket]]]:
    """Of both families: one that listens, the ends that connected from these ports (but the last), and those accepted."""
    found = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        listening = _socket(opened, family)
        listening.bind((host, 0))
        listening.listen(7)
        ends = [_socket(opened, family) for _ in ports]
        for end, port in zip(ends, ports, strict=True):
            end.bind((host, port))
        for end in ends[:-1]:
            end.connect(listening.getsockname())
        found.append((listening, ends, [opened.enter_context(listening.accept()[0]) for _ in ends[:-1]]))
        ends[0].shutdown(socket.SHUT_WR)
    return found


def _half_closed(found: list[tuple[socket.socket, list[socket.socket], list[socket.socket]]]) -> None:
    """Nothing comes back to the ends that connected, so that what closes waits for ever, and so does what is asked for."""
    for listening, ends, accepted in found:
        accepted[0].close()  # LAST-ACK here
        accepted[1].shutdown(socket.SHUT_WR)
        ends[1].shutdown(socket.SHUT_WR)  # FIN-WAIT-1 here, CLOSING there
        ends[-1].setblocking(False)  # noqa: FBT003
        ends[-1].connect_ex(listening.getsockname())  # SYN-SENT here, SYN-RECV there


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
