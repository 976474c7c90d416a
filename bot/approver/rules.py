"""What becomes of an approval when somebody speaks, a worker reports, or time passes. Pure.

A voice counts only where the rule that approvers were shown *and* the policy of now both allow it; as many people are needed as
the stricter of the two says. Whoever agreed and may not any more is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.approver.approval import Approval, Said, Signed, State, outcome
from workers.changes.letters import Act, Voice
from workers.changes.proposal import CarriedOut, NodeEnd
from workers.job import Requester
from workers.policy.approval import ApprovalRule, Refusal, may_approve, may_break_glass
from workers.policy.rules import Decision

VOICE_S = 900.0
"""A voice that was held up for longer is not acted on: whoever could delay it would choose when it counts."""
REPORT_S = 120.0
"""After a grant has expired, a worker may still be reading back what it wrote."""
UNDO_S = 600.0
"""What was asked to be undone and could not be signed for so long stays done, and can be asked for again."""
LONGEST_REASON = 500
_UNDONE = {State.DONE: State.UNDONE, State.UNKNOWN: State.UNDO_UNKNOWN}


@dataclass(frozen=True)
class Now:
    """The time, and what policy says of this change now. `requester_may`: ask for it at all."""

    at: float
    rule: ApprovalRule | Refusal
    requester_may: Decision


@dataclass(frozen=True)
class Heard:
    """The approval as it is now, and what the person is told: one sentence without markup. `counted`: whether it did anything."""

    approval: Approval
    answer: str
    counted: bool = False


def hear(approval: Approval, voice: Voice, now: Now) -> Heard:
    """A person's word about it."""
    age = now.at - seconds(voice.at)
    if age > VOICE_S:
        return Heard(approval, "what you said came through too late to be acted on; if you still mean it, say it again")
    said = Said(voice.who, now.at, voice.reason[:LONGEST_REASON])
    return _ACTS[voice.act](approval, said, now)


def _approve(approval: Approval, said: Said, now: Now) -> Heard:
    if over := _over(approval, now.at):
        return Heard(approval, over)
    if why := _refused(approval, said, now):
        return Heard(approval, f"your approval does not count: {why}")
    if any(vote.who.user == said.who.user for vote in approval.votes):
        return Heard(approval, "you have agreed already; it counts once")
    voted = replace(approval, votes=(*approval.votes, said))
    agreed, needed = len(counting(voted, now)), needed_now(approval, now)
    if agreed < needed:
        return Heard(voted, f"your approval counts: {agreed} of {needed}", counted=True)
    return Heard(
        replace(voted, state=State.GRANTED, decided=said),
        f"your approval counts: {agreed} of {needed}; it is being carried out",
        counted=True,
    )


def _reject(approval: Approval, said: Said, now: Now) -> Heard:
    """Any approver's, of whichever stage: saying no early does no harm."""
    if over := _over(approval, now.at):
        return Heard(approval, over)
    if said.who.user == approval.requester.user:
        return Heard(approval, "you asked for this yourself; withdraw it instead")
    if why := _no_approver(approval, said, now):
        return Heard(approval, f"you cannot reject this: {why}")
    if not said.reason.strip():
        return Heard(approval, "say why you reject it")
    return Heard(replace(approval, state=State.REJECTED, decided=said), "it is rejected", counted=True)


def _withdraw(approval: Approval, said: Said, now: Now) -> Heard:
    if over := _over(approval, now.at):
        return Heard(approval, over)
    if said.who.user != approval.requester.user:
        return Heard(approval, "only who asked for it can withdraw it")
    return Heard(replace(approval, state=State.WITHDRAWN, decided=said), "it is withdrawn", counted=True)


def _alone(approval: Approval, said: Said, now: Now) -> Heard:
    if over := _over(approval, now.at):
        return Heard(approval, over)
    for rule in (approval.rule, now.rule):
        decision = Decision(allowed=False, reason=rule.reason) if isinstance(rule, Refusal) else may_break_glass(rule, said.who)
        if not decision.allowed:
            return Heard(approval, f"you cannot go ahead alone: {decision.reason}")
    if not now.requester_may.allowed:
        return Heard(approval, f"you cannot go ahead alone: who asked may not ask any more: {now.requester_may.reason}")
    if not said.reason.strip():
        return Heard(approval, "say why you go ahead alone")
    granted = replace(approval, state=State.GRANTED, decided=said, alone=True)
    return Heard(granted, "you go ahead alone; everybody is told, and somebody has to review it afterwards", counted=True)


def _review(approval: Approval, said: Said, now: Now) -> Heard:
    if not approval.alone:
        return Heard(approval, "nobody went ahead alone here, so there is nothing to review")
    if approval.reviewed is not None:
        return Heard(approval, "it has been reviewed already")
    if approval.decided is not None and said.who.user == approval.decided.who.user:
        return Heard(approval, "you went ahead yourself: somebody else has to review it")
    if said.who.user == approval.requester.user:
        return Heard(approval, "you asked for this yourself: somebody else has to review it")
    if why := _no_approver(approval, said, now):
        return Heard(approval, f"you cannot review this: {why}")
    return Heard(replace(approval, reviewed=said), "it is marked as reviewed", counted=True)


def _undo(approval: Approval, said: Said, now: Now) -> Heard:
    """By who asked for the change, while they may ask for changes, and by whoever may approve it."""
    if approval.state in (State.UNDOING, State.UNDONE, State.UNDO_FAILED, State.UNDO_UNKNOWN):
        return Heard(approval, f"it was asked to be undone already: it is {approval.state.value}")
    if not approval.undoable:
        return Heard(approval, f"there is nothing to undo: it is {approval.state.value}")
    hold_s = approval.proposal.draft.hold_s
    if hold_s and approval.granted and now.at >= approval.granted.expires + REPORT_S + hold_s:
        return Heard(approval, "there is nothing to undo: every node has put it back by itself")
    why = "" if now.requester_may.allowed else f"no worker would, as for who asked: {now.requester_may.reason}"
    if said.who.user != approval.requester.user:
        why = _no_approver(approval, said, now) or why
    if why:
        return Heard(approval, f"you cannot undo this: {why}")
    return Heard(replace(approval, state=State.UNDOING, undo_asked=said), "it is being undone", counted=True)


_ACTS: Mapping[Act, Callable[[Approval, Said, Now], Heard]] = {
    "approve": _approve,
    "reject": _reject,
    "withdraw": _withdraw,
    "break-glass": _alone,
    "review": _review,
    "undo": _undo,
}


def counting(approval: Approval, now: Now) -> tuple[Said, ...]:
    """The agreements that still count."""
    return tuple(vote for vote in approval.votes if not _refused(approval, vote, now))


def needed_now(approval: Approval, now: Now) -> int:
    """How many people have to agree."""
    return max(approval.rule.needed, 0 if isinstance(now.rule, Refusal) else now.rule.needed)


def against(approval: Approval, now: Now) -> str:
    """Why what was agreed to is not to be signed as policy is now, "" where it is; it may have waited for the audit."""
    if not now.requester_may.allowed:
        return f"who asked may not ask for this any more: {now.requester_may.reason}"
    if not approval.alone:
        enough = len(counting(approval, now)) >= needed_now(approval, now)
        return "" if enough else "too few of those who agreed may still agree"
    who = approval.decided.who if approval.decided else Requester("")
    decision = (
        Decision(allowed=False, reason=now.rule.reason) if isinstance(now.rule, Refusal) else may_break_glass(now.rule, who)
    )
    return "" if decision.allowed else f"who went ahead alone may not any more: {decision.reason}"


def report(approval: Approval, letter: CarriedOut) -> Approval:
    """What a worker says became of a signed plan; anything that is not about one that waits for it changes nothing."""
    if approval.granted and letter.nonce == approval.granted.nonce and approval.state in (State.GRANTED, State.UNKNOWN):
        granted = _ended(approval.granted, approval.nodes, letter)
        return replace(approval, state=outcome(granted), granted=granted)
    if approval.undo and letter.nonce == approval.undo.nonce and approval.state in (State.UNDOING, State.UNDO_UNKNOWN):
        undo = _ended(approval.undo, approval.granted.to_undo if approval.granted else (), letter)
        return replace(approval, state=_UNDONE.get(outcome(undo), State.UNDO_FAILED), undo=undo)
    return approval


def passed(approval: Approval, now: float) -> Approval:
    """What time alone does to it."""
    if approval.state is State.WAITING and now >= approval.expires:
        return replace(approval, state=State.EXPIRED)
    if approval.state is State.GRANTED:
        if approval.granted is None:
            return replace(approval, state=State.NOT_CARRIED_OUT) if now >= approval.expires else approval
        return replace(approval, state=State.UNKNOWN) if now >= approval.granted.expires + REPORT_S else approval
    if approval.state is State.UNDOING and approval.undo is not None:
        return replace(approval, state=State.UNDO_UNKNOWN) if now >= approval.undo.expires + REPORT_S else approval
    if approval.state is State.UNDOING and approval.granted and approval.undo_asked and now >= approval.undo_asked.at + UNDO_S:
        return replace(approval, state=outcome(approval.granted), undo_asked=None)
    return approval


def seconds(at: str) -> float:
    """RFC 3339 as seconds since 1970; what is no time was very long ago."""
    try:
        return datetime.fromisoformat(at).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _over(approval: Approval, now: float) -> str:
    """Why nobody can decide any more, "" while they can."""
    if approval.state is State.WAITING:
        return "" if now < approval.expires else "it has expired"
    by = f" by {approval.decided.who.user}" if approval.decided else ""
    return f"it is decided already: {approval.state.value}{by}"


def _refused(approval: Approval, said: Said, now: Now) -> str:
    """Why this person's agreement does not count, "" where it does."""
    if not now.requester_may.allowed:
        return f"who asked may not ask for this any more: {now.requester_may.reason}"
    for rule in (approval.rule, now.rule):
        if isinstance(rule, Refusal):
            return rule.reason
        decision = may_approve(rule, approval.requester.user, said.who, approval.age(now.at))
        if not decision.allowed:
            return decision.reason
    return ""


def _no_approver(approval: Approval, said: Said, now: Now) -> str:
    """Why this person is none of those who decide about it, "" where they are; at any time."""
    if said.who.standing != "member":
        return "only members of this workspace decide about changes"
    for rule in (approval.rule, now.rule):
        if isinstance(rule, Refusal):
            return rule.reason
        if said.who.user not in rule.approvers:
            return f"the approval rule {rule.name!r} does not name you ({said.who.user})"
    return ""


def _ended(signed: Signed, nodes: tuple[str, ...], letter: CarriedOut) -> Signed:
    """One end for each of its nodes, whatever the report names beside them."""
    said = {end.node: end for end in letter.nodes}
    ends = (said.get(node, NodeEnd(node, "unreachable", "the report does not name it")) for node in nodes)
    return replace(signed, ends=tuple(ends))
