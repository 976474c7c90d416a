"""Who is asked to decide, and when: at once, when a later stage begins, again and again, and for reviews that nobody made. Pure.

Each call has a key; the store remembers those that were made, so that each is made once whatever restarts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bot.approver.approval import Approval, State

REVIEW_S = 86400.0


@dataclass(frozen=True)
class Call:
    """People to be named in the thread."""

    key: str
    kind: Literal["ask", "remind", "review"]
    people: tuple[str, ...]


def due(approval: Approval, now: float, made: frozenset[str]) -> tuple[Call, ...]:
    """The calls to make now. Of reminders that were missed, only the last is made."""
    if approval.state is State.WAITING:
        return tuple(call for call in _stages(approval, now) if call.key not in made and call.people)
    if approval.to_review and approval.decided and now >= approval.decided.at + REVIEW_S:
        number = int((now - approval.decided.at) // REVIEW_S)
        call = Call(f"review:{number}", "review", reviewers(approval))
        return () if call.key in made else (call,)
    return ()


def reviewers(approval: Approval) -> tuple[str, ...]:
    """Who can look at what somebody did alone."""
    out = {approval.requester.user, approval.decided.who.user if approval.decided else ""}
    return tuple(user for user in approval.rule.approvers if user not in out)


def waited_for(approval: Approval, now: float) -> tuple[str, ...]:
    """Those who are asked and have not agreed."""
    return _left(approval, approval.rule.asked(approval.age(now)))


def _stages(approval: Approval, now: float) -> list[Call]:
    age, calls, before = approval.age(now), list[Call](), set[str]()
    for number, stage in enumerate(approval.rule.stages):
        if age < stage.after_s:
            break
        calls.append(Call(f"ask:{number}", "ask", tuple(u for u in _left(approval, stage.approvers) if u not in before)))
        before.update(stage.approvers)
        turn = int((age - stage.after_s) // stage.remind_s) if stage.remind_s else 0
        if turn:
            calls.append(Call(f"remind:{number}:{turn}", "remind", _left(approval, stage.approvers)))
    return calls


def _left(approval: Approval, people: tuple[str, ...]) -> tuple[str, ...]:
    agreed = {vote.who.user for vote in approval.votes} | {approval.requester.user}
    return tuple(user for user in people if user not in agreed)
