"""What is wrong with each of many nodes, by one look at it: the same judgement as of one node, without what takes two looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from node_helper.protocol import CannotLook
from workers import findings
from workers.check import View
from workers.checks import _node_drops, _node_judge, _node_proxy, _node_settings
from workers.checks._node_seen import Seen
from workers.checks._nodes_seen import Each
from workers.model import Finding, Severity


def judge(params: object, view: View, seen: tuple[Each, ...]) -> Iterator[Finding]:  # noqa: ARG001  (every judge has this shape)
    """The gaps of the cluster's lists, then node by node."""
    yield from findings.cluster_gaps(view, "nodes", "pods")
    yield from findings.no_node(view)
    for each in seen:
        yield from of_node(view, each)


def of_node(view: View, each: Each) -> Iterator[Finding]:
    """Every finding about one of them."""
    yield from _node_judge.conditions(view, each.node)
    one = each.as_one
    if one is not None:
        yield from _looked(view, one)
    elif isinstance(each.summary, CannotLook):
        yield findings.unknown(each.summary, node=each.node.name, what="the node", now=view.now)


def worst(found: Iterable[Finding]) -> Severity:
    """The worst of these findings; healthy without any."""
    return max((f.severity for f in found), key=lambda s: s.rank, default=Severity.HEALTHY)


def _looked(view: View, one: Seen) -> Iterator[Finding]:
    yield from _node_settings.judge(view, one)
    yield from _node_drops.judge(view, one)
    yield from _node_proxy.judge(view, one)
    yield from _node_judge.tracked(view, one)
