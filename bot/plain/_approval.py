"""Approvals in plain commands: which one somebody means, and their word about it on its way to the approver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Self

from bot.approvals import NoApprover
from bot.command import Context, Decisions
from bot.decided import Asking
from workers.changes.letters import Act
from workers.check import Access
from workers.errors import UsageError, shown
from workers.params import Arg
from workers.policy.rules import Decision, decide
from workers.render import escape
from workers.render.bounds import section
from workers.render.message import Message

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINE = 300
_LONGEST = 500
_OVERHEARD = "approvals name nodes, so they are not spoken of in a channel that others may read"


@dataclass(frozen=True)
class ApprovalId:
    """The id of an approval, as its card shows it."""

    id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Letters, digits, `-` and `_`."""
        if not _ID.fullmatch(text):
            raise UsageError(f"{shown(text)} is not the id of an approval")
        return cls(text)

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Reason:
    """Why, in the words of whoever says it."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """One line of text."""
        if not text.strip() or len(text) > _LONGEST or not text.isprintable():
            raise UsageError(f"a reason is one line of at most {_LONGEST} characters")
        return cls(text.strip())

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Params:
    """The approval."""

    approval: Annotated[ApprovalId, Arg("its id, which its card and `approvals` show")]


def agrees(asking: Asking) -> Decision:
    """Whether any approval rule asks this person."""
    asked = next((rule for rule in asking.rules.approvals if asking.who.user in rule.approvers), None)
    decision = _anybody(asking)
    if not decision.allowed:
        return decision
    if asked is None or asking.who.standing != "member":
        return Decision(allowed=False, reason="no approval rule names you")
    return Decision(allowed=True, reason=f"the approval rule {asked.name!r} names you", rule=asked.name)


def concerned(asking: Asking) -> Decision:
    """Whether this person may ask for changes here, or agree to any."""
    decision = _anybody(asking)
    if not decision.allowed:
        return decision
    asks = decide(asking.rules, asking.who, asking.channel, Access.CHANGE, asking.cluster, ())
    return asks if asks.allowed else agrees(asking)


def _anybody(asking: Asking) -> Decision:
    if not asking.rules.approvals:
        return Decision(allowed=False, reason="the policy has no [[approval]] rule, so no change can be made")
    if asking.rules.redacts(asking.channel):
        return Decision(allowed=False, reason=_OVERHEARD)
    return Decision(allowed=True, reason="changes can be made here")


def reached(ctx: Context) -> Decisions:
    """The way to the approver. Raises `NoApprover` where there is none, `UsageError` where others would read what it says.

    And for who has no say in changes, as the approver would tell them, without what it is about.
    """
    if ctx.rules.redacts(ctx.channel):
        raise UsageError(_OVERHEARD)
    if ctx.who.standing != "member":
        raise UsageError("only members of this workspace have a say in changes")
    if ctx.decisions is None:
        raise NoApprover("there is no approver here, so nothing can be changed; deploy/README.md says how to set one up")
    return ctx.decisions


async def said(ctx: Context, act: Act, approval: ApprovalId, reason: str = "") -> Message:
    """The person's word is on its way; the approver answers. Raises `UsageError` where it can do nothing."""
    approvals = reached(ctx)
    posted = await approvals.posted(approval.id)
    if act not in posted.acts:
        raise UsageError(f"approval {approval} is {posted.state}: it is too late for that")
    await approvals.say(act, posted.id, reason)
    what = {"approve": "Your approval is being counted", "reject": "Your rejection is on its way"}
    text = f"🗳 {what.get(act, 'It is on its way')}: {escape.mrkdwn(posted.headline, _LINE)}. The approver answers in a moment."
    return Message(text, (section(text),))
