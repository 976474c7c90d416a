"""The sysctls that decide whether a node forwards, filters and tracks pods' packets, as its own network namespace has them."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel
from node_helper.protocol import Fact

_ROOT = "/proc/sys/"
_DEVICES = ("net/ipv4/conf/*/forwarding", "net/ipv4/conf/*/rp_filter", "net/ipv6/conf/*/forwarding")
_GENERAL = (
    "net/ipv4/ip_forward",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/conf/all/arp_ignore",
    "net/ipv4/conf/all/arp_announce",
    "net/ipv4/neigh/default/gc_thresh[123]",
    "net/ipv6/neigh/default/gc_thresh[123]",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/vs/*",
    "net/bridge/bridge-nf-call-*",
    "net/core/somaxconn",
    "net/core/netdev_max_backlog",
    "net/core/netdev_budget",
    "net/core/[rw]mem_default",
    "net/core/[rw]mem_max",
    "net/netfilter/nf_conntrack_*",
)
WANTED = (*_GENERAL, *_DEVICES)
"""Patterns of the paths that are read, those of devices included."""
_LONGEST = 4096


@dataclass(frozen=True)
class Query:
    """The node as a whole; `devices`: with the settings that each device has for itself."""

    devices: bool = True


@dataclass(frozen=True)
class Sysctls:
    """Values by their path below /proc/sys, as in "net/ipv4/conf/eth0.100/rp_filter", blanks between numbers made one.

    What is not there is not in `values`: the kernel has no such part, or shows it in the machine's first namespace only.
    """

    values: dict[str, str]


def collect(kernel: Kernel, query: Query) -> Sysctls:
    """Read the files (Documentation/admin-guide/sysctl/net.rst, networking/ip-sysctl.rst)."""
    wanted = WANTED if query.devices else _GENERAL
    found = kernel.files_in(kernel.own_netns(), tuple(_ROOT + each for each in wanted), _LONGEST)
    return Sysctls({path[len(_ROOT) :]: " ".join(text.split()) for path, text in found.items()})


FACT = Fact(name="sysctls", query=Query, answer=Sysctls, collect=collect)
