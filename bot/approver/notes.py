"""What the audit is told when an approval has become another one. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot.approver.approval import Approval, Signed, State
from bot.approver.asking import Call
from bot.approver.witness import Note, What

_NODES = 20


def moved(before: Approval | None, after: Approval) -> tuple[Note, ...]:
    """Every step between the two."""
    return tuple(_moved(before, after))


def refused(approval: Approval, act: str, who: str, answer: str) -> Note:
    """Somebody's word that did not count."""
    return _note("refusal", approval, who, {"act": act, "reason": answer})


def called(approval: Approval, call: Call) -> Note:
    """People who were named."""
    what: What = "escalation" if call.kind == "ask" and call.key != "ask:0" else "reminder"
    return _note(what, approval, "", {"call": call.key, "people": " ".join(call.people)})


def signing(approval: Approval, signed: str, nonce: str, digest: str) -> Note:
    """A plan that is about to be signed; `digest` is of its canonical text."""
    return _note("grant", approval, "", {"plan_of": signed, "nonce": nonce, "plan_sha256": digest})


def _moved(before: Approval | None, after: Approval) -> Iterator[Note]:
    if before is None:
        yield _note("plan", after, after.requester.user, _plan(after))
    known = len(before.votes) if before else 0
    for vote in after.votes[known:]:
        yield _note("vote", after, vote.who.user, {"act": "approve", "counts": str(len(after.votes))})
    if after.reviewed and not (before and before.reviewed):
        yield _note("review", after, after.reviewed.who.user, {"reason": after.reviewed.reason})
    if before is not None and before.state is after.state:
        return
    by, reason = (after.decided.who.user, after.decided.reason) if after.decided else ("", "")
    said = {"state": after.state.value} | ({"reason": reason} if reason else {})
    match after.state:
        case State.WAITING:
            return
        case State.GRANTED:
            yield _note("break-glass" if after.alone else "decision", after, by, said)
        case State.REJECTED | State.WITHDRAWN | State.REFUSED:
            yield _note("decision", after, by, said)
        case State.EXPIRED | State.NOT_CARRIED_OUT:
            yield _note("expiry", after, "", said)
        case State.UNDOING:
            yield _note("undo", after, after.undo_asked.who.user if after.undo_asked else "", said)
        case _:
            yield _ended(after, said)


def _ended(after: Approval, said: dict[str, str]) -> Note:
    """What a worker said became of it, or that none has."""
    if not after.reported:
        return _note("expiry", after, "", said)
    undo = after.state in (State.UNDONE, State.UNDO_FAILED, State.UNDO_UNKNOWN)
    return _note("undo" if undo else "execution", after, "", said | _ends(after.undo if undo else after.granted))


def _plan(after: Approval) -> dict[str, str]:
    targets = after.proposal.draft.targets
    return {
        "command": after.proposal.job.text,
        "key": after.proposal.draft.key,
        "rule": after.rule.name,
        "needed": str(after.rule.needed),
        "nodes": " ".join(t.node for t in targets[:_NODES]),
        "node_count": str(len(targets)),
        "old_value": " ".join(sorted({str(t.before.value) for t in targets})),
        "new_value": " ".join(sorted({str(t.after.value) for t in targets})),
        "hold_s": str(after.proposal.draft.hold_s),
    }


def _ends(signed: Signed | None) -> dict[str, str]:
    if signed is None:
        return {}
    ends = " ".join(f"{end.node}:{end.ended}" for end in signed.ends[:_NODES])
    return {"nonce": signed.nonce, "nodes": ends, "node_count": str(len(signed.ends)), "changed": str(len(signed.done))}


def _note(what: What, approval: Approval, who: str, said: dict[str, str]) -> Note:
    job = approval.proposal.job
    return Note(what, approval.id, who, job.channel.id, job.cluster, job.trace, said)
