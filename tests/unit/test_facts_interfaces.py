"""A pod's device and the host device are a pair only when index and namespace agree in both directions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node_helper.facts import interfaces
from node_helper.kernel import Netns
from node_helper.records import Address, Link
from tests.pretend_kernel import NODE, PretendKernel, link

POD = Netns("/var/run/netns/cni-1", 4026532890)
NODE_AS_POD_KNOWS_IT, POD_AS_NODE_KNOWS_IT = 0, 7
LO = link(1, "lo", flags=("LOOPBACK", "UP"))


def eth0(**known: object) -> Link:
    return link(3, "eth0", "veth", **{"link": 11, "link_netnsid": NODE_AS_POD_KNOWS_IT, **known})


def veth(index: int = 11, name: str = "veth4f7342d", **known: object) -> Link:
    return link(index, name, "veth", **{"link": 3, "link_netnsid": POD_AS_NODE_KNOWS_IT, "master": 5, **known})


def seen(pod: tuple[Link, ...], node: tuple[Link, ...]) -> dict[str, interfaces.Interface]:
    kernel = PretendKernel(
        devices={POD.inode: pod, NODE.inode: node},
        address_table={POD.inode: (Address(3, "10.244.1.4/24", "global"), Address(3, "fe80::1/64", "link"))},
        ids={(POD.inode, NODE.inode): NODE_AS_POD_KNOWS_IT, (NODE.inode, POD.inode): POD_AS_NODE_KNOWS_IT},
    )
    return {one.link.name: one for one in interfaces.collect(kernel, interfaces.Query(POD)).interfaces}


def test_a_veth_has_the_host_device_that_points_back_and_its_bridge() -> None:
    found = seen((LO, eth0()), (link(5, "cni0", "bridge"), veth()))["eth0"]
    assert found.peer == interfaces.Peer(veth(), "cni0", mutual=True, master_kind="bridge")
    assert (found.pairless, found.addresses) == ("", ("10.244.1.4/24", "fe80::1/64"))


def test_the_loopback_device_has_no_peer_and_is_no_riddle() -> None:
    found = seen((LO, eth0()), (veth(),))["lo"]
    assert (found.peer, found.pairless) == (None, "loopback")


def test_every_host_veth_may_say_if3_and_only_the_one_with_the_right_index_and_namespace_is_the_peer() -> None:
    others = tuple(veth(20 + i, f"vethother{i}", link_netnsid=8 + i) for i in range(5))
    peer = seen((eth0(),), (*others[:3], veth(), *others[3:]))["eth0"].peer
    assert peer is not None
    assert (peer.link.name, peer.mutual) == ("veth4f7342d", True)


@pytest.mark.parametrize(
    "host",
    [
        veth(link=4),  # points to another device of the pod
        veth(link_netnsid=8),  # points into another namespace
        veth(link_netnsid=None),  # points into the node's own
    ],
)
def test_a_host_veth_that_does_not_point_back_is_shown_and_not_believed(host: Link) -> None:
    peer = seen((eth0(),), (host,))["eth0"].peer
    assert peer is not None
    assert not peer.mutual


def test_a_peer_that_is_not_on_the_node_is_said() -> None:
    found = seen((eth0(),), (veth(12),))["eth0"]
    assert (found.peer, found.pairless) == (None, "peer ifindex 11 is not on this node")


def test_a_peer_in_a_third_namespace_is_said_even_where_the_node_has_a_veth_of_that_index() -> None:
    found = seen((eth0(link_netnsid=5),), (veth(),))["eth0"]
    assert (found.peer, found.pairless) == (None, "its peer ifindex 11 is in a namespace that is not the node's")


def test_a_pair_inside_the_pod_is_said() -> None:
    found = seen((eth0(link_netnsid=None),), (veth(),))["eth0"]
    assert (found.peer, found.pairless) == (None, "its peer is in the pod's own namespace")


def test_another_device_under_the_peers_index_is_no_peer() -> None:
    found = seen((eth0(),), (link(11, "eth1"),))["eth0"]
    assert (found.peer, found.pairless) == (None, "ifindex 11 on this node is eth1, not a veth")


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (link(3, "eth0", "macvlan", link=2, link_netnsid=0), "macvlan on ens5"),
        (link(3, "eth0", "ipvlan", link=2, link_netnsid=0), "ipvlan on ens5"),
        (link(3, "eth0", "ipvlan", link=9, link_netnsid=0), "ipvlan on ifindex 9, which is not on this node"),
        (link(3, "eth0", "netkit", link=11, link_netnsid=0), "netkit, whose other end is veth4f7342d"),
        (link(3, "net1", "", flags=("UP",)), "physical device or SR-IOV function"),
        (link(3, "dummy0", "dummy"), "dummy"),
        (link(4, "vlan5", "vlan", link=4), "vlan on the pod's vlan5"),
        (link(4, "vlan5", "vlan", link=9), "vlan"),
    ],
)
def test_a_device_without_a_pair_is_named_for_what_it_is(device: Link, why: str) -> None:
    found = seen((device,), (link(2, "ens5"), veth()))[device.name]
    assert (found.peer, found.pairless) == (None, why)


def test_a_pods_question_does_not_read_the_whole_node() -> None:
    others = tuple(veth(100 + i, f"veth{i}") for i in range(200))
    kernel = PretendKernel(
        devices={POD.inode: (LO, eth0()), NODE.inode: (link(5, "cni0", "bridge"), veth(), *others)},
        ids={(POD.inode, NODE.inode): NODE_AS_POD_KNOWS_IT, (NODE.inode, POD.inode): POD_AS_NODE_KNOWS_IT},
    )
    interfaces.collect(kernel, interfaces.Query(POD))
    assert kernel.asked == [f"{NODE.path}: link 11", f"{NODE.path}: link 5"]


class Addresses(tuple[Address, ...]):
    """Addresses that count how often somebody went through them."""

    __slots__ = ()

    walks = 0

    def __iter__(self) -> Iterator[Address]:
        Addresses.walks += 1
        return super().__iter__()


def test_the_addresses_of_many_devices_are_gone_through_once() -> None:
    devices = tuple(link(n, f"macvlan{n}", "macvlan") for n in range(2, 50))
    table = Addresses(Address(each.ifindex, f"10.0.0.{each.ifindex}/24", "global") for each in devices)
    kernel = PretendKernel(devices={POD.inode: devices, NODE.inode: ()}, address_table={POD.inode: table})
    Addresses.walks = 0
    found = interfaces.collect(kernel, interfaces.Query(POD)).interfaces
    assert [one.addresses for one in found] == [(f"10.0.0.{n}/24",) for n in range(2, 50)]
    assert Addresses.walks == 1


def test_on_the_host_network_every_device_is_the_nodes_own() -> None:
    kernel = PretendKernel(devices={NODE.inode: (LO, link(2, "ens5"))})
    found = interfaces.collect(kernel, interfaces.Query(Netns("/proc/9/ns/net", NODE.inode)))
    assert {one.pairless for one in found.interfaces} == {"a device of the node itself"}
