"""Which tables inside a namespace can lead what arrives there to another port or address: a mesh's sidecar, a virtual machine."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel, Netns
from node_helper.netfilter.records import FilterTable
from node_helper.protocol import Fact

_LEADING = frozenset({"nat", "mangle"})  # REDIRECT and DNAT are in the one, TPROXY is in the other


@dataclass(frozen=True)
class Query:
    """Which namespace."""

    netns: Netns


@dataclass(frozen=True)
class Redirects:
    """Each as backend, family and name, such as "iptables-nft ip nat"; none where every packet arrives where it was sent."""

    tables: tuple[str, ...]


def collect(kernel: Kernel, query: Query) -> Redirects:
    """Names of tables, not their rules."""
    found = kernel.filter_tables(query.netns)
    return Redirects(tuple(f"{t.backend} {t.family} {t.name}" for t in found if _can_lead(t)))


def _can_lead(table: FilterTable) -> bool:
    """A legacy table may stand without rules; nft's are made for rules, in chains of any name (KubeVirt's in `nat`)."""
    if table.backend == "nftables":
        return True
    return table.name in _LEADING and (table.rules or table.backend == "iptables-nft")


FACT = Fact(name="redirects", query=Query, answer=Redirects, collect=collect)
