"""What was seen of a node after it was changed: whether the value stayed, and whether its table still drops. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.changes.plan import Target
from node_helper.facts.conntrack_stats import ConntrackStats
from node_helper.protocol import CannotLook
from workers import findings
from workers.changes.carry_out import Result
from workers.check import Samples
from workers.checks._conntrack_seen import totals
from workers.model import Evidence, Finding, Severity

_DROPS = ("drop", "early_drop")
_FIX = "See what sets it: kube-proxy does at its start (conntrack.min, conntrack.maxPerCore), and so do agents that tune nodes."


def afterwards(result: Result, target: Target, watch_s: float, now: str) -> Iterator[Finding]:
    """Everything about one node that was watched; nothing about another."""
    node, after = target.node, result.after.get(target.node)
    if isinstance(after, CannotLook):
        yield findings.unknown(after, node=node, what="whether the change stays", now=now)
    elif after is not None:
        yield from _put_back(target, after, watch_s, now)
        yield from _drops(node, result.before.get(node), after, now)


def _put_back(target: Target, after: Samples[ConntrackStats], watch_s: float, now: str) -> Iterator[Finding]:
    found = after.second.maximum
    if found != target.after.value:
        to = "back to" if found == target.before.value else "to"
        yield Finding(
            id="conntrack-max-not-durable",
            severity=Severity.PROBLEM,
            claim=f"Something set conntrack_max of {target.node} {to} {found:,} within {watch_s:g} s",
            evidence=(Evidence(f"nf_conntrack_max of {target.node}", str(found), now),),
            disprove=f"{target.after.value} there.",
            fix=_FIX,
            node=target.node,
        )


def _drops(
    node: str, before: Samples[ConntrackStats] | CannotLook | None, after: Samples[ConntrackStats], now: str
) -> Iterator[Finding]:
    had, has = (_risen(before) if isinstance(before, Samples) else 0), _risen(after)
    evidence = (
        Evidence(f"conntrack counters drop and early_drop of {node}, all processors", f"+{has} in {after.apart:.1f} s", now),
    )
    if has:
        yield Finding(
            id="change-drops-go-on",
            severity=Severity.WARNING,
            claim=f"{node} dropped {has:,} connections or packets within {after.apart:.0f} s after the change",
            evidence=evidence,
            disprove="Counters that stand still.",
            fix="See how full the table is.",
            node=node,
            look_further=f"conntrack node/{node}",
        )
    elif had:
        yield Finding(
            id="change-drops-stopped",
            severity=Severity.HEALTHY,
            claim=f"{node} drops no connections any more: {had:,} in the second before, none within {after.apart:.0f} s after",
            evidence=evidence,
            disprove="Counters that rise again.",
            fix="Nothing.",
            node=node,
        )


def _risen(samples: Samples[ConntrackStats]) -> int:
    first, second = totals(samples.first), totals(samples.second)
    return sum(max(0, second.get(name, 0) - first.get(name, 0)) for name in _DROPS)
