"""Who a person is to netcheck, where they are, and what policy lets them do there."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, Context
from workers.check import Access
from workers.policy.rules import Decision, decide
from workers.render import listing
from workers.render.escape import code, mrkdwn
from workers.render.message import Message

_WORD, _LINE = 60, 300
_STANDINGS = {
    "member": "a member of this workspace",
    "guest": "a guest in this workspace",
    "foreign": "from another organisation",
    "bot": "a bot",
    "unknown": "of unknown standing, since Slack did not say",
}
_SHARED = {
    True: "shared with another organisation or workspace",
    False: "not shared",
    None: "perhaps shared: that cannot be known",
}


@dataclass(frozen=True)
class Params:
    """There are none."""


async def answer(params: Params, ctx: Context) -> Message:
    """Ids, standing, the channel's defaults, and each kind of access with the reason for the decision."""
    del params
    who, channel, defaults = ctx.who, ctx.channel, ctx.rules.defaults(ctx.channel.id)
    place = f"This channel is {code(channel.id, _WORD)}, {_SHARED[channel.shared]}"
    lines = [
        f"You are {code(who.user, _WORD)}, {_STANDINGS[who.standing]}"
        + (f", in the team {code(who.team, _WORD)}" if who.team else "")
        + (f", in the groups {code(', '.join(who.groups), _LINE)}" if who.groups else ""),
        f"{place}; answers are redacted here, and what commands mean is not said"
        if ctx.rules.redacts(channel)
        else f"{place}; commands mean the cluster {code(ctx.cluster, _WORD)}"
        + (f" and the namespace {code(defaults.namespace, _WORD)}" if defaults.namespace else "")
        + (f", and ask from {code(defaults.pod, _WORD)}" if defaults.pod else ""),
        *(_access(ctx, access) for access in Access),
        *_agreeing(ctx),
        f"Policy: {code(ctx.rules.source or 'none', _LINE)}",
    ]
    return listing.message("Who you are here", lines)


def _access(ctx: Context, access: Access) -> str:
    decision = decide(ctx.rules, ctx.who, ctx.channel, access, ctx.cluster, ())
    if access is Access.CHANGE and decision.allowed and not ctx.rules.approvals:
        decision = Decision(allowed=False, reason=f"{decision.reason}, but no [[approval]] rule says who could agree")
    return f"{'✅' if decision.allowed else '⛔'} *{access.name}* {access.value}: {mrkdwn(decision.reason, _LINE)}"


def _agreeing(ctx: Context) -> list[str]:
    """The approval rules that name the person."""
    rules = ctx.rules.approvals if ctx.who.standing == "member" else ()
    agrees = [rule.name for rule in rules if ctx.who.user in rule.approvers]
    alone = [rule.name for rule in rules if ctx.who.user in rule.break_glass.who]
    said = [f"🗳 You are asked to agree to changes under {code(', '.join(agrees), _LINE)}"] if agrees else []
    return said + (
        [f"🧯 You may go ahead alone, before everybody's eyes, under {code(', '.join(alone), _LINE)}"] if alone else []
    )


COMMAND = Command(
    name="whoami", summary="Who you are here, and what you may do", params=Params, answer=answer, examples=("whoami",)
)
