"""What is said in the thread about an approval: edits of the card notify nobody, so who is meant is named in a reply. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bot.approver.approval import Approval, State
from bot.approver.asking import Call
from bot.approver.card import clock, named
from workers.render import escape
from workers.render.bounds import section
from workers.render.message import Message
from workers.render.notices import person

_LINE, _REASON = 300, 500


@dataclass(frozen=True)
class Notice:
    """`place`: a reply under the card, or a new message in the channel, for everybody in it."""

    place: Literal["thread", "channel"]
    message: Message


def called(approval: Approval, call: Call) -> Notice:
    """People who are asked, reminded, or wanted for a review."""
    who, what = named(call.people), _headline(approval)
    match call.kind:
        case "ask":
            text = (
                f"🛂 {who}: {person(approval.requester.user)} asks for your approval: {what}. "
                f"The card above has the plan; it expires {clock(approval.expires)}."
            )
        case "remind":
            text = f"⏰ {who}: still waiting for your decision: {what}. It expires {clock(approval.expires)}."
        case _:
            by = person(approval.decided.who.user) if approval.decided else "somebody"
            text = f"🔎 {who}: {by} went ahead alone with {what}. Somebody else has to review it: the card above has the button."
    return Notice("thread", _said(text))


def told(before: Approval, after: Approval) -> tuple[Notice, ...]:
    """What has to be said when an approval has become another one."""
    return tuple(_told(before, after))


def _told(before: Approval, after: Approval) -> Iterator[Notice]:
    who, what = person(after.requester.user), _headline(after)
    if after.to_review and not before.to_review and after.decided:
        text = (
            f"🚨 {person(after.decided.who.user)} goes ahead *alone* with {what}, without anybody's approval. "
            f"Reason: {escape.mrkdwn(after.decided.reason, _REASON)}\n{named(after.rule.approvers)}: it has to be reviewed."
        )
        yield Notice("thread", _said(text))
        yield Notice("channel", _said(text))
    if after.reviewed and not before.reviewed:
        yield Notice("thread", _said(f"🔎 {person(after.reviewed.who.user)} has reviewed what was done alone."))
    if after.state is before.state:
        return
    by = person(after.decided.who.user) if after.decided else ""
    reason = f": {escape.mrkdwn(after.decided.reason, _REASON)}" if after.decided and after.decided.reason else ""
    match after.state:
        case State.REJECTED:
            yield Notice("thread", _said(f"⛔ {who}: {by} rejected {what}{reason}"))
        case State.REFUSED:
            yield Notice("thread", _said(f"⛔ {who}: nobody was asked to approve {what}{reason}"))
        case State.EXPIRED:
            yield Notice("thread", _said(f"⌛ {who}: not enough people agreed in time to {what}; nothing was changed."))
        case State.NOT_CARRIED_OUT:
            yield Notice(
                "thread", _said(f"⌛ {who}: {what} was agreed to, but expired before it was signed; nothing was changed.")
            )
        case State.UNKNOWN | State.UNDO_UNKNOWN:
            why = "a node did not answer" if after.reported else "no worker has said what became of it"
            yield Notice("thread", _said(f"❔ {who}: {what}: {why}. What the nodes hold now is not known: look at them."))
        case State.PARTLY | State.FAILED | State.UNDO_FAILED:
            yield Notice(
                "thread", _said(f"🔴 {who}: {what}: {after.state.value}. The card above says what became of every node.")
            )


def counted(answer: str) -> Message:
    """The approver's answer to somebody, in words without markup."""
    return _said(f"🗳 {escape.mrkdwn(answer[:1].upper() + answer[1:], _REASON)}.")


def _headline(approval: Approval) -> str:
    return escape.mrkdwn(approval.proposal.draft.headline, _LINE)


def _said(text: str) -> Message:
    return Message(text, (section(text),))
