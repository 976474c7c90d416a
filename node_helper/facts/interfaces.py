"""The devices of a pod's namespace, their addresses, and the host device at the other end of each.

A veth names its peer by index (IFLA_LINK) and by the id that its namespace gave the peer's (IFLA_LINK_NETNSID). Indexes repeat
across namespaces, and every host veth can say `@if2`: a pair is believed only when index and namespace agree in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import Fact
from node_helper.records import Address, Link


@dataclass(frozen=True)
class Query:
    """Which namespace."""

    netns: Netns


@dataclass(frozen=True)
class Peer:
    """The host device. `mutual`: its own index and namespace id point back to the pod's device.

    `master_kind` is what its master is: "bridge", "openvswitch", ...; "" without one.
    """

    link: Link
    master: Optional[str]
    mutual: bool
    master_kind: str = ""


@dataclass(frozen=True)
class Interface:
    """One device of the pod. `pairless` is "" for a veth with its peer, else why there is no host peer, in words."""

    link: Link
    addresses: tuple[str, ...]
    peer: Optional[Peer]
    pairless: str = ""


@dataclass(frozen=True)
class Interfaces:
    """Every device of the namespace, by ifindex."""

    interfaces: tuple[Interface, ...]


@dataclass(frozen=True)
class _Sides:
    """Both sides: the devices that matter by index, and by which id each side knows the other."""

    links: dict[int, Link]
    masters: dict[int, Link]
    pod_links: dict[int, Link]
    known_to_pod_as: Optional[int]
    knows_pod_as: Optional[int]


def collect(kernel: Kernel, query: Query) -> Interfaces:
    """Read the pod's devices, then of the node's only those that they point to and the masters of these."""
    node = kernel.own_netns()
    addresses = _by_device(kernel.addresses(query.netns))
    links = kernel.links(query.netns)
    if node.inode == query.netns.inode:
        return Interfaces(tuple(Interface(link, _of(link, addresses), None, "a device of the node itself") for link in links))
    known_to_pod_as = kernel.netnsid(query.netns, node)
    across = tuple(
        link.link for link in links if link.link and link.link_netnsid is not None and link.link_netnsid == known_to_pod_as
    )
    there = kernel.links_at(node, across)
    sides = _Sides(
        links=_by_index(there),
        masters=_by_index(kernel.links_at(node, tuple({link.master for link in there if link.master}))),
        pod_links=_by_index(links),
        known_to_pod_as=known_to_pod_as,
        knows_pod_as=kernel.netnsid(node, query.netns),
    )
    return Interfaces(tuple(_interface(link, _of(link, addresses), sides) for link in links))


def _by_index(links: tuple[Link, ...]) -> dict[int, Link]:
    return {link.ifindex: link for link in links}


def _by_device(addresses: tuple[Address, ...]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for each in addresses:
        found.setdefault(each.ifindex, []).append(each.address)
    return found


def _of(link: Link, addresses: dict[int, list[str]]) -> tuple[str, ...]:
    return tuple(addresses.get(link.ifindex, ()))


def _interface(link: Link, addresses: tuple[str, ...], sides: _Sides) -> Interface:
    why = _pairless(link, sides)
    if why:
        return Interface(link, addresses, None, why)
    there = sides.links[link.link or 0]
    mutual = there.link == link.ifindex and there.link_netnsid is not None and there.link_netnsid == sides.knows_pod_as
    master = sides.masters.get(there.master or 0)
    return Interface(link, addresses, Peer(there, master.name if master else None, mutual, master.kind if master else ""))


def _pairless(link: Link, sides: _Sides) -> str:
    if "LOOPBACK" in link.flags:
        return "loopback"
    if link.kind != "veth":
        return _alone(link, sides)
    if link.link is None or link.link_netnsid is None:
        return "its peer is in the pod's own namespace"
    if link.link_netnsid != sides.known_to_pod_as:
        return f"its peer ifindex {link.link} is in a namespace that is not the node's"
    there = sides.links.get(link.link)
    if there is None:
        return f"peer ifindex {link.link} is not on this node"
    return "" if there.kind == "veth" else f"ifindex {there.ifindex} on this node is {there.name}, not a veth"


def _alone(link: Link, sides: _Sides) -> str:
    what = link.kind or "physical device or SR-IOV function"
    if link.link is not None and link.link_netnsid is None and link.link in sides.pod_links:
        return f"{what} on the pod's {sides.pod_links[link.link].name}"
    if link.link is None or link.link_netnsid is None or link.link_netnsid != sides.known_to_pod_as:
        return what
    below = sides.links.get(link.link)
    where = below.name if below else f"ifindex {link.link}, which is not on this node"
    return f"netkit, whose other end is {where}" if link.kind == "netkit" else f"{what} on {where}"


FACT = Fact(name="interfaces", query=Query, answer=Interfaces, collect=collect)
