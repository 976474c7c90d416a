"""One node among many, in one small answer: what a table of all nodes shows, and what may differ between them."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from node_helper import hello
from node_helper.facts import backends, conntrack_stats, forward_policy, kube_proxy, neighbour_stats, sysctls
from node_helper.facts.devices import Device
from node_helper.kernel import Kernel
from node_helper.protocol import Fact


@dataclass(frozen=True)
class Query:
    """As of `kube_proxy`: the pods that should be kube-proxy's on this node."""

    pods: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeSummary:
    """The answers of other facts, as of about one moment; `sysctls` without those of single devices.

    `devices` are those with an address. `helper`, `kernel` and `python` are versions.
    """

    helper: str
    kernel: str
    python: str
    sysctls: sysctls.Sysctls
    kube_proxy: kube_proxy.KubeProxy
    conntrack: conntrack_stats.ConntrackStats
    neighbours: neighbour_stats.NeighbourStats
    forward: forward_policy.ForwardPolicy
    backends: backends.Backends
    devices: tuple[Device, ...]


def collect(kernel: Kernel, query: Query) -> NodeSummary:
    """Ask each in turn; where one cannot look, neither can this."""
    node = kernel.own_netns()
    addresses: dict[int, list[str]] = {}
    for each in kernel.addresses(node):
        addresses.setdefault(each.ifindex, []).append(each.address)
    return NodeSummary(
        helper=hello.VERSION,
        kernel=(kernel.read("/proc/sys/kernel/osrelease") or "").strip(),
        python=".".join(map(str, sys.version_info[:3])),
        sysctls=sysctls.collect(kernel, sysctls.Query(devices=False)),
        kube_proxy=kube_proxy.collect(kernel, kube_proxy.Query(query.pods)),
        conntrack=conntrack_stats.collect(kernel, conntrack_stats.Query()),
        neighbours=neighbour_stats.collect(kernel, neighbour_stats.Query()),
        forward=forward_policy.collect(kernel, forward_policy.Query()),
        backends=backends.collect(kernel, backends.Query()),
        devices=tuple(Device(link, tuple(addresses[link.ifindex])) for link in kernel.links_at(node, tuple(sorted(addresses)))),
    )


FACT = Fact(name="node_summary", query=Query, answer=NodeSummary, collect=collect)
