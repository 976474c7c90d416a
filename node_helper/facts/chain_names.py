"""The names of a table's chains, without their rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from node_helper.kernel import Kernel
from node_helper.netfilter.records import Wanted
from node_helper.protocol import CannotLook, Fact

_MOST = 50_000
"""Ten thousand services have fewer, with three endpoints each."""


@dataclass(frozen=True)
class Query:
    """Which table."""

    backend: Literal["iptables-nft", "iptables-legacy", "nftables"]
    family: Literal["ip", "ip6"]
    table: str


@dataclass(frozen=True)
class Names:
    """In the kernel's order; `cut` where there are more."""

    names: tuple[str, ...]
    cut: bool = False


def collect(kernel: Kernel, query: Query) -> Names:
    """``gone`` where there is no such table."""
    found = kernel.filter_rules(kernel.own_netns(), Wanted(query.backend, query.family, query.table, bare=True))
    if found is None:
        raise CannotLook(f"{query.backend} ({query.family}) has no table {query.table[:80]!r}", kind="gone")
    return Names(tuple(chain.name for chain in found.chains[:_MOST]), cut=len(found.chains) > _MOST)


FACT = Fact(name="chain_names", query=Query, answer=Names, collect=collect, heavy=True)
