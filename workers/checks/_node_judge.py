"""What is wrong with a node, by the evidence of two looks. Ids and proofs: failure modes of the project."""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.conntrack.wants import Which
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import View
from workers.checks import _conntrack_judge, _conntrack_seen, _node_drops, _node_forward, _node_proxy, _node_settings
from workers.checks._node_seen import Seen
from workers.model import Evidence, Finding, Severity
from workers.objects import Node

_NEEDED = ("nodes", "pods")


def judge(params: object, view: View, seen: Seen) -> Iterator[Finding]:  # noqa: ARG001  (every judge has this shape)
    """Every finding about one node."""
    yield from findings.cluster_gaps(view, *_NEEDED)
    yield from conditions(view, seen.node)
    yield from _unseen(view, seen)
    yield from _node_settings.judge(view, seen)
    yield from _node_drops.judge(view, seen)
    yield from _node_forward.judge(view, seen)
    yield from _node_proxy.judge(view, seen)
    yield from tracked(view, seen)


def tracked(view: View, seen: Seen) -> Iterator[Finding]:
    """What the conntrack counters and the kernel's log prove: the same as the check `conntrack` says."""
    if seen.counted:
        log = None if isinstance(seen.settings.log, CannotLook) else seen.settings.log
        where = _conntrack_seen.Where(seen.node.name)
        yield from _conntrack_judge.judge(None, view, _conntrack_seen.Seen(where, Which(), seen.counted.conntrack, log=log))


def conditions(view: View, node: Node) -> Iterator[Finding]:
    """What the kubelet and the cloud controller report of the node (kubernetes.io, Node Status)."""
    api = f"Kubernetes API, conditions of node {node.name}"
    if not node.ready:
        yield Finding(
            id="node-not-ready",
            severity=Severity.PROBLEM,
            claim=f"Kubernetes calls {node.name} not ready{f': {node.reason}' if node.reason else ''}",
            evidence=(Evidence(api, f"Ready is not True, reason {node.reason or 'not told'}", view.cluster.as_of),),
            disprove="The condition Ready being True.",
            fix="Read the kubelet's log on the node, and whether it reaches the API server.",
            node=node.name,
        )
    for trouble in node.troubles:
        yield Finding(
            id="node-condition",
            severity=Severity.PROBLEM if trouble == "NetworkUnavailable" else Severity.WARNING,
            claim=f"Kubernetes reports {trouble} of {node.name}",
            evidence=(Evidence(api, f"{trouble} is True", view.cluster.as_of),),
            disprove=f"The condition {trouble} being False.",
            fix="See whether the CNI and the cloud's route controller run."
            if trouble == "NetworkUnavailable"
            else "Free what is short.",
            node=node.name,
        )


def _unseen(view: View, seen: Seen) -> Iterator[Finding]:
    """One finding for each reason, with all that it kept us from seeing."""
    by_reason: dict[str, tuple[CannotLook, list[str]]] = {}
    for what, cannot in seen.unseen.items():
        by_reason.setdefault(cannot.reason, (cannot, []))[1].append(what)
    for cannot, kept in by_reason.values():
        yield findings.unknown(cannot, node=seen.node.name, what=", ".join(kept), now=view.now)
