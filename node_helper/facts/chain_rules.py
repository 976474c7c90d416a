"""One chain of a table with its rules, and the chains to which they lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from node_helper.kernel import Kernel
from node_helper.netfilter.records import Ruleset, Wanted
from node_helper.protocol import CannotLook, Fact


@dataclass(frozen=True)
class Query:
    """Which chain."""

    backend: Literal["iptables-nft", "iptables-legacy", "nftables"]
    family: Literal["ip", "ip6"]
    table: str
    chain: str


def collect(kernel: Kernel, query: Query) -> Ruleset:
    """``gone`` where there is no such chain."""
    wanted = Wanted(query.backend, query.family, query.table, (query.chain,))
    found = kernel.filter_rules(kernel.own_netns(), wanted)
    if found is None or not any(chain.name == query.chain for chain in found.chains):
        where = f"{query.backend} ({query.family}) has no chain {query.chain[:80]!r} in table {query.table[:80]!r}"
        raise CannotLook(where, kind="gone", fix="`rules NODE` names the tables and chains there are.")
    return Ruleset(query.backend, (found,), partial=True)


FACT = Fact(name="chain_rules", query=Query, answer=Ruleset, collect=collect)
