"""What the `node` check saw of one node: `CannotLook` where looking failed, None where nothing was asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from node_helper.facts import (
    backends,
    conntrack_stats,
    dataplane,
    devices,
    forward_policy,
    kernel_log,
    kube_proxy,
    neighbour_stats,
    netstat,
    softnet,
    sysctls,
)
from node_helper.facts.devices import Device
from node_helper.netfilter.records import Ruleset
from node_helper.protocol import CannotLook
from node_helper.records import ForwardChain
from workers.check import Samples, View
from workers.objects import Node, Pod

_ALIVE = ("Pending", "Running")  # one that cannot start should run there, too
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Settings:
    """What one look tells."""

    sysctls: sysctls.Sysctls | CannotLook
    dataplane: dataplane.Programs | CannotLook
    kube_proxy: kube_proxy.KubeProxy | CannotLook
    log: kernel_log.KernelLog | CannotLook
    backends: backends.Backends | CannotLook


@dataclass(frozen=True)
class Counted:
    """What takes two looks, and the time between them."""

    netstat: Samples[netstat.Netstat] | CannotLook
    softnet: Samples[softnet.Softnet] | CannotLook
    neighbours: Samples[neighbour_stats.NeighbourStats] | CannotLook
    devices: Samples[devices.Devices] | CannotLook
    forward: Samples[forward_policy.ForwardPolicy] | CannotLook
    conntrack: Samples[conntrack_stats.ConntrackStats] | CannotLook


@dataclass(frozen=True)
class Seen:
    """`counted` is None where the node could not be asked at all; `forward_rules` are asked only of chains that drop.

    `every_device`: the devices are all there are; else only those with an address. `pods` are those that run on the node in a
    network of their own.
    """

    node: Node
    settings: Settings
    counted: Counted | None = None
    forward_rules: dict[ForwardChain, Ruleset | CannotLook] = field(default_factory=dict)
    every_device: bool = True
    pods: tuple[Pod, ...] = ()

    def value(self, key: str) -> str | None:
        """A sysctl by its path below /proc/sys; None where it is not there or could not be read."""
        seen = self.settings.sysctls
        return seen.values.get(key) if isinstance(seen, sysctls.Sysctls) else None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices as last seen; none where they could not be."""
        counted = self.counted
        return counted.devices.second.devices if counted and isinstance(counted.devices, Samples) else ()

    @property
    def uplinks(self) -> tuple[Device, ...]:
        """The devices that carry an address by which Kubernetes knows the node."""
        return tuple(d for d in self.devices if {a.split("/")[0] for a in d.addresses} & set(self.node.addresses))

    @property
    def pod_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The pod CIDRs that Kubernetes gave the node; none where the CNI hands out addresses by itself."""
        return tuple(ipaddress.ip_network(cidr, strict=False) for cidr in self.node.pod_cidrs)

    @cached_property
    def pod_addresses(self) -> frozenset[Address]:
        """Those of its pods."""
        return frozenset(ipaddress.ip_address(ip) for pod in self.pods for ip in pod.ips)

    @property
    def unseen(self) -> dict[str, CannotLook]:
        """What could not be looked at, by what it is."""
        looked: dict[str, object] = {
            "sysctls": self.settings.sysctls,
            "eBPF programs": self.settings.dataplane,
            "kube-proxy": self.settings.kube_proxy,
            "the kernel log": self.settings.log,
            "rule backends": self.settings.backends,
        }
        if self.counted:
            looked |= {
                "protocol counters": self.counted.netstat,
                "softnet counters": self.counted.softnet,
                "neighbour tables": self.counted.neighbours,
                "devices": self.counted.devices,
                "forward policies": self.counted.forward,
            }
        return {what: answer for what, answer in looked.items() if isinstance(answer, CannotLook)}


def dropping(sampled: Samples[forward_policy.ForwardPolicy]) -> Iterator[tuple[ForwardChain, int]]:
    """The chains whose policy dropped packets between the samples, as last seen, and how many."""
    before = {(c.backend, c.family, c.table, c.name): c for c in sampled.first.chains}
    for chain in sampled.second.chains:
        first = before.get((chain.backend, chain.family, chain.table, chain.name))
        drops = (chain.packets or 0) - (first.packets or 0) if first else 0
        if chain.policy == "DROP" and drops > 0:
            yield chain, drops


def in_kernel(found: backends.Backends) -> tuple[str, ...]:
    """The backends that hold services' rules: kube-proxy's own tables and chains (of iptables' those of nat), virtual servers."""
    holding = {t.backend for t in found.tables if t.services and (t.name == "nat" or t.backend == "nftables")}
    return (*sorted(holding), *(("ipvs",) if found.ipvs else ()))


def mode(seen: Seen) -> str:
    """The mode that kube-proxy says it works in; "" where it says none."""
    proxy = seen.settings.kube_proxy
    return proxy.mode.text.strip()[:40] if isinstance(proxy, kube_proxy.KubeProxy) and proxy.mode.status == 200 else ""  # noqa: PLR2004  (OK)


def pods_of(view: View, node: Node) -> tuple[Pod, ...]:
    """The pods that run on a node in a network of their own."""
    return tuple(p for p in view.cluster.pods_on.get(node.name, ()) if not p.host_network and p.phase == "Running")


def proxies(view: View, node: Node) -> tuple[Pod, ...]:
    """The pods that are kube-proxy's on a node: kubeadm's and most distributions' label, or the name of a static pod."""
    return tuple(filter(_is_proxy, view.cluster.pods_on.get(node.name, ())))


def _is_proxy(pod: Pod) -> bool:
    named = pod.labels.get("k8s-app") == "kube-proxy" or pod.labels.get("component") == "kube-proxy"
    return (named or pod.name.startswith("kube-proxy-")) and pod.host_network and pod.phase in _ALIVE and not pod.deleting
