"""Every node of the cluster in one table, worst first, and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.facts import node_summary
from node_helper.facts.node_summary import NodeSummary
from node_helper.protocol import CannotLook
from workers.check import Access, Ask, Check, Plan, View, fold_completed
from workers.checks._node_seen import pods_of, proxies
from workers.checks._nodes_judge import judge
from workers.checks._nodes_seen import Each
from workers.checks._nodes_show import show


@dataclass(frozen=True)
class Params:
    """All of them."""


def plan(_params: Params, view: View) -> Plan[tuple[Each, ...]]:
    """One question to each, all at once, taken as they answer."""
    asks = {
        node.name: Ask(
            node.name,
            node_summary.FACT,
            node_summary.Query(tuple(uid for p in proxies(view, node) for uid in (p.uid, p.config_hash) if uid)),
        )
        for node in view.cluster.nodes.values()
    }
    start: tuple[Each, ...] = ()

    def add(seen: tuple[Each, ...], name: str, answer: NodeSummary | CannotLook) -> tuple[Each, ...]:
        return (*seen, Each(view.cluster.nodes[name], answer, pods_of(view, view.cluster.nodes[name])))

    seen = yield from fold_completed(asks, start, add)
    return tuple(sorted(seen, key=lambda each: each.node.name))


CHECK = Check(
    name="nodes",
    summary="Every node in one table, worst first: kernel, rules, kube-proxy, conntrack, MTU, and what differs between nodes",
    access=Access.REVEAL,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("nodes",),
)
