"""Every rule of one backend's tables. The whole of a large table: in a child of its own, within limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional

from node_helper.kernel import Kernel
from node_helper.netfilter.records import Ruleset, Wanted
from node_helper.protocol import Fact


@dataclass(frozen=True)
class Query:
    """Which backend and family, and which table if not all (of nftables: kube-proxy's)."""

    backend: Literal["iptables-nft", "iptables-legacy", "nftables"]
    family: Literal["ip", "ip6"]
    table: Optional[str] = None


def collect(kernel: Kernel, query: Query) -> Ruleset:
    """The tables that exist and their chains, in the kernel's order."""
    node = kernel.own_netns()
    every = [t for t in kernel.filter_tables(node) if (t.backend, t.family) == (query.backend, query.family)]
    names = [
        t.name for t in every if query.table in (None, t.name) and (query.backend != "nftables" or t.services or query.table)
    ]
    found = [kernel.filter_rules(node, Wanted(query.backend, query.family, name)) for name in names]
    return Ruleset(query.backend, tuple(table for table in found if table is not None))


FACT = Fact(name="all_rules", query=Query, answer=Ruleset, collect=collect, heavy=True)
