"""On the real kernel: the veth named is the one that carries the pod's traffic, and nothing else is taken for one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from node_helper.facts import interfaces, neighbours, routes
from node_helper.kernel import Netns
from node_helper.linux import files, netns
from node_helper.protocol import CannotLook
from node_helper.records import Link, NextHop
from tests.throwaway import LinuxWhere, address, configure, namespace, pid_of, veth

pytestmark = pytest.mark.live
PACKETS = 20


@dataclass(frozen=True)
class Site:
    node: Netns
    pods: tuple[Netns, ...]
    kernel: LinuxWhere


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A bridge with three pods. In each pod eth0 has index 2, so every host veth says `@if2`."""
    with namespace() as node, namespace() as one, namespace() as two, namespace() as three:
        pods = (one, two, three)
        configure(node, lambda ip: ip.link("add", ifname="cni0", kind="bridge", mtu=1450))
        configure(node, lambda ip: ip.link("set", index=ip.link_lookup(ifname="cni0")[0], state="up"))
        bridge = configure(node, lambda ip: ip.link_lookup(ifname="cni0")[0])
        for number, pod in enumerate(pods):
            veth(node, f"veth{number}", pod, master=bridge, mtu=1450)
            address(pod, "eth0", f"10.244.9.{4 + number}/24", f"fd00:9::{4 + number}/64")
        with LinuxWhere(node) as kernel:
            yield Site(node, pods, kernel)


def host_links(site: Site) -> dict[str, Link]:
    return {link.name: link for link in site.kernel.links(site.node)}


def eth0(site: Site, pod: Netns) -> interfaces.Interface:
    found = interfaces.collect(site.kernel, interfaces.Query(pod)).interfaces
    return next(one for one in found if one.link.name == "eth0")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_host_veth_named_is_the_one_whose_counters_carry_the_pods_packets(site: Site, number: int) -> None:
    pod, far = site.pods[number], f"10.244.9.{4 + (number + 1) % 3}"
    named = eth0(site, pod)
    assert named.peer is not None
    before = host_links(site)
    for sequence in range(PACKETS):
        assert site.kernel.echo(pod, far, sequence, 2.0).outcome == "answered"
    after = host_links(site)
    sent = {name: after[name].counters.rx_packets - before[name].counters.rx_packets for name in after if name.startswith("veth")}
    answered = {
        name: after[name].counters.tx_packets - before[name].counters.tx_packets for name in after if name.startswith("veth")
    }
    assert sent[named.peer.link.name] >= PACKETS
    assert answered[named.peer.link.name] >= PACKETS
    other = next(name for name in sent if name not in (named.peer.link.name, f"veth{(number + 1) % 3}"))
    assert sent[other] < PACKETS


def test_a_pair_is_told_with_index_master_mtu_state_and_both_addresses(site: Site) -> None:
    found = eth0(site, site.pods[1])
    assert found.peer is not None
    assert (found.link.ifindex, found.link.link, found.peer.link.link) == (2, found.peer.link.ifindex, 2)
    assert (found.peer.link.name, found.peer.master, found.peer.mutual) == ("veth1", "cni0", True)
    assert (found.peer.link.mtu, found.peer.link.state, found.link.state) == (1450, "up", "up")
    assert {"10.244.9.5/24", "fd00:9::5/64"} <= set(found.addresses)


def test_all_host_veths_point_to_the_same_index_and_are_told_apart_by_namespace(site: Site) -> None:
    veths = [link for name, link in host_links(site).items() if name.startswith("veth")]
    assert {link.link for link in veths} == {2}
    assert len({link.link_netnsid for link in veths}) == 3
    assert [eth0(site, pod).peer.link.name for pod in site.pods] == ["veth0", "veth1", "veth2"]  # type: ignore[union-attr]


def test_every_device_and_address_is_what_pyroute2_says(site: Site) -> None:
    for where in (site.node, *site.pods):
        told = configure(where, lambda ip: {link["index"]: link for link in ip.get_links()})
        for link in site.kernel.links(where):
            other = told[link.ifindex]
            assert (link.name, link.mtu, link.mac) == (other.get("ifname"), other.get("mtu"), other.get("address"))
            assert (link.master, link.link, link.link_netnsid) == (
                other.get("master"),
                other.get("link"),
                other.get("link_netnsid"),
            )
            assert link.state == other.get("operstate").lower()
            assert link.counters.tx_packets <= other.get("stats64")["tx_packets"] + 100
        theirs = configure(where, lambda ip: {f"{a.get('address')}/{a['prefixlen']}" for a in ip.get_addr()})
        assert {a.address for a in site.kernel.addresses(where)} == theirs


def test_a_macvlan_device_is_named_with_the_device_under_it(site: Site) -> None:
    with namespace() as pod:
        configure(
            site.node,
            lambda ip: ip.link(
                "add", ifname="mac0", kind="macvlan", link=ip.link_lookup(ifname="cni0")[0], net_ns_fd=pid_path(pod)
            ),
        )
        found = {one.link.name: one for one in interfaces.collect(site.kernel, interfaces.Query(pod)).interfaces}
        assert (found["mac0"].peer, found["mac0"].pairless) == (None, "macvlan on cni0")
        assert found["lo"].pairless == "loopback"


def pid_path(pod: Netns) -> str:
    return f"/proc/{pid_of(pod)}/ns/net"


def test_a_device_of_the_pods_own_making_has_no_pair(site: Site) -> None:
    with namespace() as pod:
        configure(pod, lambda ip: ip.link("add", ifname="br0", kind="bridge"))
        configure(pod, lambda ip: ip.link("add", ifname="a0", kind="veth", peer={"ifname": "a1"}))
        found = {one.link.name: one.pairless for one in interfaces.collect(site.kernel, interfaces.Query(pod)).interfaces}
        assert found == {
            "lo": "loopback",
            "br0": "bridge",
            "a0": "its peer is in the pod's own namespace",
            "a1": "its peer is in the pod's own namespace",
        }


def test_a_peer_in_another_pod_is_not_the_nodes_even_where_the_node_has_that_index(site: Site) -> None:
    with namespace() as near, namespace() as far:
        veth(far, "tap0", near)
        found = {one.link.name: one for one in interfaces.collect(site.kernel, interfaces.Query(near)).interfaces}
        assert found["eth0"].link.link in {link.ifindex for link in site.kernel.links(site.node)}
        assert (found["eth0"].peer, found["eth0"].pairless) == (
            None,
            "its peer ifindex 2 is in a namespace that is not the node's",
        )


def test_on_the_host_network_every_device_is_the_nodes_own(site: Site) -> None:
    found = interfaces.collect(site.kernel, interfaces.Query(site.node)).interfaces
    assert {one.pairless for one in found} == {"a device of the node itself"}


def test_a_namespace_whose_path_passed_to_another_is_gone(site: Site) -> None:
    stale = Netns(site.pods[0].path, site.pods[1].inode)
    with pytest.raises(CannotLook) as said:
        site.kernel.links(stale)
    assert said.value.kind == "gone"


def test_a_file_that_is_no_namespace_is_not_entered(site: Site) -> None:
    for path in ("/etc/passwd", "/proc/self/ns/uts", "/nothing/there"):
        with pytest.raises(CannotLook) as said:
            site.kernel.netns_at(path)
        assert said.value.kind == "gone"


def test_routes_of_every_kind_are_what_was_made(site: Site) -> None:
    with namespace() as pod:
        veth(site.node, "veth9", pod)
        address(pod, "eth0", "10.99.0.2/24", "fd00:99::2/64")

        def make(ip: object) -> None:
            eth = ip.link_lookup(ifname="eth0")[0]  # type: ignore[attr-defined]
            add = ip.route  # type: ignore[attr-defined]
            add("add", dst="default", gateway="10.99.0.1")
            add("add", dst="default", gateway="fd00:99::1", family=10)
            add("add", dst="10.1.0.0/16", type="blackhole")
            add("add", dst="10.2.0.0/16", type="unreachable")
            add("add", dst="10.3.0.0/16", table=100, gateway="10.99.0.3", priority=7)
            add("add", dst="10.4.0.0/16", multipath=[{"gateway": "10.99.0.4", "hops": 2}, {"gateway": "10.99.0.5", "hops": 0}])
            add("add", dst="fd00:4::/64", family=10, multipath=[{"gateway": "fd00:99::4"}, {"gateway": "fd00:99::5"}])
            add("add", dst="10.5.0.0/16", via={"family": 10, "addr": "fd00:99::6"}, oif=eth)
            add("add", dst="10.6.0.0/16", oif=eth, metrics={"mtu": 1400})

        configure(pod, make)
        found = {
            r.destination if r.family == 2 else f"6 {r.destination}": r
            for r in routes.collect(site.kernel, routes.Query(pod)).routes
        }
        assert found["default"].hops == (NextHop("10.99.0.1", "eth0"),)
        assert found["6 default"].hops == (NextHop("fd00:99::1", "eth0"),)
        assert (found["10.1.0.0/16"].kind, found["10.1.0.0/16"].hops) == ("blackhole", ())
        assert found["10.2.0.0/16"].kind == "unreachable"
        assert (found["10.3.0.0/16"].table, found["10.3.0.0/16"].metric) == (100, 7)
        assert found["10.4.0.0/16"].hops == (NextHop("10.99.0.4", "eth0", 3), NextHop("10.99.0.5", "eth0", 1))
        assert {hop.via for hop in found["6 fd00:4::/64"].hops} == {"fd00:99::4", "fd00:99::5"}
        assert found["10.5.0.0/16"].hops == (NextHop("fd00:99::6", "eth0"),)
        assert found["10.6.0.0/16"].mtu == 1400
        assert (found["10.99.0.0/24"].protocol, found["10.99.0.0/24"].source) == ("kernel", "10.99.0.2")
        assert not [r for r in found.values() if r.kind in ("local", "broadcast", "multicast")]
        assert site.kernel.route_to(pod, "10.1.2.3").kind == "blackhole"
        assert site.kernel.route_to(pod, "10.2.2.3").kind == "unreachable"
        assert site.kernel.route_to(pod, "192.0.2.1").hops == (NextHop("10.99.0.1", "eth0"),)
        assert site.kernel.route_to(pod, "fd00:77::1").hops == (NextHop("fd00:99::1", "eth0"),)


def test_a_device_without_a_route_reaches_nothing(site: Site) -> None:
    with namespace() as pod:
        assert site.kernel.route_to(pod, "192.0.2.1").kind == "unreachable"
        assert site.kernel.route_to(pod, "2001:db8::1").kind == "unreachable"


def test_neighbours_are_told_as_they_are(site: Site) -> None:
    pod = site.pods[0]
    site.kernel.echo(pod, "10.244.9.5", 1, 2.0)
    site.kernel.echo(pod, "fd00:9::5", 1, 2.0)
    site.kernel.echo(pod, "10.244.9.77", 1, 0.05)
    mac = eth0(site, site.pods[1]).link.mac
    found = {n.address: n for n in neighbours.collect(site.kernel, neighbours.Query(pod)).neighbours}
    for told in ("10.244.9.5", "fd00:9::5"):
        assert (found[told].mac, found[told].device) == (mac, "eth0")
        assert found[told].state in ("reachable", "delay", "stale", "probe")
    assert (found["10.244.9.77"].mac, found["10.244.9.77"].state) in ((None, "incomplete"), (None, "failed"))


def test_many_questions_at_once_each_see_their_own_namespace(site: Site) -> None:
    def look(number: int) -> bool:
        pod = site.pods[number % 3]
        with LinuxWhere(site.node) as kernel:
            own = {one.address for one in kernel.addresses(pod)}
            return f"10.244.9.{4 + number % 3}/24" in own and eth0(Site(site.node, site.pods, kernel), pod).peer is not None

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(look, range(200)))
    assert netns.of(os.getpid()).inode not in {pod.inode for pod in site.pods}


def test_a_question_leaves_no_descriptor_and_no_thread_behind(site: Site) -> None:
    descriptors, threads = len(files.names_in("/proc/self/fd")), set(threading.enumerate())
    for number in range(50):
        with LinuxWhere(site.node) as kernel:
            interfaces.collect(kernel, interfaces.Query(site.pods[number % 3]))
            kernel.sockets(site.pods[number % 3])
            with pytest.raises(CannotLook):
                kernel.links(Netns(site.pods[0].path, 1))
    assert len(files.names_in("/proc/self/fd")) == descriptors
    assert set(threading.enumerate()) <= threads


def test_a_namespace_ends_although_it_was_looked_at(site: Site) -> None:
    with LinuxWhere(site.node) as kernel:
        with namespace() as pod:
            kernel.links(pod)
        with pytest.raises(CannotLook) as said:
            kernel.links(pod)
    assert said.value.kind == "gone"
