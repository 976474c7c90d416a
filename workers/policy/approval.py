"""Who has to agree to a change before a node is touched: rules in, a decision with its reason out. Pure.

Approvers are people, each by their user id: whoever edits a user group would make approvers. A later stage asks more people, and
never needs fewer of them. Nobody agrees to what they asked for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from workers.job import Requester
from workers.policy.rules import ANY, Decision

if TYPE_CHECKING:
    from workers.policy.rules import Rules


@dataclass(frozen=True)
class Stage:
    """People who are asked when a request is `after_s` seconds old, and again every `remind_s` (0.0: never again)."""

    approvers: tuple[str, ...]
    after_s: float = 0.0
    remind_s: float = 0.0


@dataclass(frozen=True)
class BreakGlass:
    """Who may go ahead alone, with a reason, before everybody's eyes."""

    who: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApprovalRule:
    """How a change becomes allowed. `change` is a command's name or "*"; `clusters` and `nodes` are globs.

    `needed` different people have to agree before the request is `expires_s` seconds old. `canary` nodes are changed first, and
    when they are well the others, at most `at_once` of them at the same time. The stages are in the order of their times.
    """

    name: str
    change: str
    stages: tuple[Stage, ...]
    needed: int = 1
    clusters: tuple[str, ...] = (ANY,)
    nodes: tuple[str, ...] = (ANY,)
    expires_s: float = 3600.0
    canary: int = 1
    at_once: int = 5
    break_glass: BreakGlass = BreakGlass()

    @property
    def approvers(self) -> tuple[str, ...]:
        """Everybody who is asked in the end, those of the first stage first."""
        return tuple(dict.fromkeys(user for stage in self.stages for user in stage.approvers))

    def asked(self, at_age_s: float) -> tuple[str, ...]:
        """Everybody who may agree to a request of that age."""
        reached = (stage for stage in self.stages if stage.after_s <= at_age_s)
        return tuple(dict.fromkeys(user for stage in reached for user in stage.approvers))


@dataclass(frozen=True)
class Refusal:
    """Why no request can be made: one sentence for the person and for the audit."""

    reason: str


def rule_for(rules: Rules, change: str, cluster: str, nodes: Iterable[str]) -> ApprovalRule | Refusal:
    """The one rule under which all of these nodes can be changed: for each the first of the file that fits it."""
    named = tuple(dict.fromkeys(nodes))
    most = rules.limits.nodes_per_change
    if not named:
        return Refusal(f"no node is named, so there is nothing that {change} could change")
    if len(named) > most:
        return Refusal(f"{change} would change {len(named)} nodes, and the policy allows {most} in one request")
    found: dict[str, str] = {}
    for node in named:
        rule = next((r for r in rules.approvals if _fits(r, change, cluster, node)), None)
        if rule is None:
            return Refusal(_unruled(rules, change, cluster, node))
        found.setdefault(rule.name, node)
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        return Refusal(
            f"{first} falls under the approval rule {one!r} and {second} under {other!r}: ask for them in separate requests"
        )
    return next(r for r in rules.approvals if r.name in found)


def may_request(rule: ApprovalRule, requester: str) -> Decision:
    """Whether enough people besides the requester can agree at all. Whether they may ask is policy's word on `Access.CHANGE`."""
    others = [user for user in rule.approvers if user != requester]
    if len(others) < rule.needed and requester not in rule.break_glass.who:
        return _no(f"the approval rule {rule.name!r} needs {_people(rule.needed)} besides you, and names {len(others)}")
    return _yes(rule, f"the approval rule {rule.name!r} asks {_of(rule.needed, len(others))} to agree")


def may_approve(rule: ApprovalRule, requester: str, approver: Requester, at_age_s: float) -> Decision:
    """Whether this person's agreement to a request of that age counts."""
    stage = next((s for s in rule.stages if approver.user in s.approvers), None)
    if approver.user == requester:
        return _no("you asked for this yourself: somebody else has to agree")
    if approver.standing != "member":
        return _no(f"{_OUTSIDE.get(approver.standing, _UNKNOWN)}, and only members agree to changes")
    if stage is None:
        return _no(f"the approval rule {rule.name!r} does not name you ({approver.user})")
    if at_age_s >= rule.expires_s:
        return _no(f"this expired {_span(rule.expires_s)} after it was asked for")
    if stage.after_s > at_age_s:
        return _no(f"the approval rule {rule.name!r} asks you only {_span(stage.after_s)} after the request")
    return _yes(rule, f"the approval rule {rule.name!r} names you")


def may_break_glass(rule: ApprovalRule, who: Requester) -> Decision:
    """Whether this person may go ahead alone."""
    if who.standing != "member":
        return _no(f"{_OUTSIDE.get(who.standing, _UNKNOWN)}, and only members go ahead alone")
    if who.user not in rule.break_glass.who:
        named = "somebody else" if rule.break_glass.who else "nobody"
        return _no(f"the approval rule {rule.name!r} lets {named} go ahead alone")
    return _yes(rule, f"the approval rule {rule.name!r} lets you go ahead alone")


def agreeable(rules: Rules, change: str, cluster: str) -> Decision:
    """Whether anybody can agree to that change on any node of the cluster, for help."""
    rule = next((r for r in rules.approvals if _about(r, change, cluster)), None)
    return _no(_unruled(rules, change, cluster, "")) if rule is None else may_request(rule, "")


_OUTSIDE = {"guest": "you are a guest here", "foreign": "you belong to another organisation", "bot": "you are a bot"}
_UNKNOWN = "it is not known whether you are a member of this workspace"


def _about(rule: ApprovalRule, change: str, cluster: str) -> bool:
    return rule.change in (ANY, change) and any(fnmatchcase(cluster, pattern) for pattern in rule.clusters)


def _fits(rule: ApprovalRule, change: str, cluster: str, node: str) -> bool:
    return _about(rule, change, cluster) and any(fnmatchcase(node, pattern) for pattern in rule.nodes)


def _unruled(rules: Rules, change: str, cluster: str, node: str) -> str:
    if not rules.approvals:
        return "the policy has no [[approval]] rule, so nobody can agree to a change and none can be made"
    if not any(_about(r, change, cluster) for r in rules.approvals):
        return f"no approval rule is about {change} in the cluster {cluster}, so nobody can agree to it"
    return f"no approval rule for {change} covers the node {node}, so nobody can agree to it"


def _of(needed: int, people: int) -> str:
    return f"{needed} of {_people(people)}" if people > 1 else _people(people)


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"


def _span(seconds: float) -> str:
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and not seconds % size:
            return f"{seconds / size:.0f} {'min' if unit == 'm' else unit}"
    return f"{seconds:g} s"


def _yes(rule: ApprovalRule, reason: str) -> Decision:
    return Decision(allowed=True, reason=reason, rule=rule.name)


def _no(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)
