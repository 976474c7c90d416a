"""Which packet filters hold something on this node: iptables in either form, nftables, IPVS. Looking makes and loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from node_helper.kernel import Kernel
from node_helper.netfilter.records import FilterTable
from node_helper.protocol import Fact

_IPVS = "/proc/net/ip_vs"
_SERVERS = ("TCP", "UDP", "SCTP", "FWM")


@dataclass(frozen=True)
class Query:
    """Nothing to choose."""


@dataclass(frozen=True)
class Backends:
    """Every table there is; `ipvs`: virtual servers are configured (None: the kernel has no IPVS now)."""

    tables: tuple[FilterTable, ...]
    ipvs: Optional[bool] = None


def collect(kernel: Kernel, query: Query) -> Backends:  # noqa: ARG001  (every fact has this shape)
    """Names of tables, and whether anything hangs on their hooks."""
    node = kernel.own_netns()
    servers = kernel.read_in(node, _IPVS, 1 << 16)
    ipvs = None if servers is None else any(line.startswith(_SERVERS) for line in servers.splitlines())
    return Backends(kernel.filter_tables(node), ipvs)


FACT = Fact(name="backends", query=Query, answer=Backends, collect=collect)
