"""The card of an approval: the plan, where it stands, and what can be done; within Slack's limits whatever names say. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.acts import button, fitting
from bot.approver import signable
from bot.approver.approval import Approval, Signed, State
from bot.approver.asking import waited_for
from bot.approver.board import Posted
from workers.changes.letters import Act
from workers.changes.proposal import Ended
from workers.render import bounds, buttons, escape
from workers.render.bounds import Page, section
from workers.render.facts import tables
from workers.render.message import Block, Message
from workers.render.notices import person

_SIGNS = {
    State.WAITING: "🛂",
    State.GRANTED: "🔏",
    State.DONE: "✅",
    State.PARTLY: "⚠️",
    State.UNDOING: "↩️",
    State.UNDONE: "↩️",
    State.UNKNOWN: "❔",
    State.UNDO_UNKNOWN: "❔",
    State.REJECTED: "⛔",
    State.REFUSED: "⛔",
    State.WITHDRAWN: "🚫",
    State.EXPIRED: "⌛",
    State.NOT_CARRIED_OUT: "⌛",
}
_ENDS: dict[Ended, str] = {
    "done": "✅ changed",
    "refused": "⛔ refused, nothing was written",
    "failed": "🔴 failed",
    "unreachable": "❔ did not answer; what it holds is not known",
    "skipped": "· not asked, nothing was written",
}
_UNSEEN = "which is not looked at here: `conntrack NODE` shows what it holds"
_COMMAND, _LINE, _REASON, _NODE = 300, 300, 500, 80
_WARNINGS, _NODES, _PEOPLE = 8, 20, 12


@dataclass(frozen=True)
class Standing:
    """What a card says beside the approval: the time, how many are needed, who counts, and what holds it up.

    `overheard`: answers in its channel are redacted by now.
    """

    now: float
    needed: int
    agreed: tuple[str, ...]
    held: str = ""
    overheard: bool = False


def message(approval: Approval, standing: Standing) -> Message:
    """The card."""
    if standing.overheard:
        return unsaid(approval)
    status = _status(approval, standing)
    below = (section("\n".join(fitting(status))), *buttons.row(*(button(act, approval.id) for act in acts(approval))))
    page = Page(reserved_blocks=len(below) + 2, reserved_characters=bounds.size(below) + _LINE)
    draft = approval.proposal.draft
    page.put(section(f"{_title(approval)}\n{page.words(draft.headline, _LINE)}"))
    for warning in draft.warnings[:_WARNINGS]:
        page.put(section(f"⚠️ {page.words(warning, _LINE)}"))
    page.cut |= len(draft.warnings) > _WARNINGS
    for table in draft.tables:
        for block in tables(page, table):
            page.put(block)
    cut: tuple[Block, ...] = (section("✂ Shortened here: `conntrack NODE` says all of it."),) if page.cut else ()
    return Message(f"{_title(approval)}: {status[0]}", (*page.blocks, *cut, *below))


def unsaid(approval: Approval) -> Message:
    """All that is said of it where others have come to read: its names are not theirs, and nobody decides before their eyes."""
    text = (
        f"🔒 Approval {escape.code(approval.id, _NODE)}: {approval.state.value}. Others may read this channel by now, "
        "so that it is not said here what it is about, and nothing more is agreed to."
    )
    if approval.state is State.WAITING:
        text += " Ask again in another channel; there this one can be withdrawn and rejected, too."
    return Message(text, (section(text),))


def acts(approval: Approval) -> tuple[Act, ...]:
    """What people can do to it now; who may is seen when they do."""
    found: list[Act] = []
    if approval.state is State.WAITING:
        found += ["approve", "reject", "withdraw"]
        found += ["break-glass"] if approval.rule.break_glass.who else []
    found += ["undo"] if approval.undoable else []
    found += ["review"] if approval.to_review else []
    return tuple(found)


def posted(approval: Approval, standing: Standing) -> Posted:
    """The same for the board."""
    draft, job = approval.proposal.draft, approval.proposal.job
    brief = (*signable.lines(draft), *(f"mind: {warning}" for warning in draft.warnings[:_WARNINGS]))
    waits = waited_for(approval, standing.now) if approval.state is State.WAITING else ()
    return Posted(
        approval.id, approval.state.value, job.channel.id, job.channel.thread or approval.ts, approval.requester.user,
        draft.headline, brief, _words(approval, standing), waits, acts(approval), approval.created, approval.expires,
    )  # fmt: skip


def clock(at: float) -> str:
    """A time of today or of the days beside it."""
    return datetime.fromtimestamp(at, UTC).strftime("%a %H:%M UTC")


def named(people: tuple[str, ...]) -> str:
    """Mentions of people whom the policy names."""
    more = f" and {len(people) - _PEOPLE} more" if len(people) > _PEOPLE else ""
    return ", ".join(person(user) for user in people[:_PEOPLE]) + more


def _title(approval: Approval) -> str:
    sign = _SIGNS.get(approval.state, "🔴")
    alone = " · *gone ahead alone*" if approval.alone else ""
    command = escape.code(approval.proposal.job.text, _COMMAND)
    about = f"{command} · asked by {person(approval.requester.user)} · {escape.code(approval.id, _NODE)}"
    return f"{sign} *{approval.state.value}*{alone} · {about}"


def _status(approval: Approval, standing: Standing) -> list[str]:
    """Where it stands, the first line for everywhere."""
    lines = [_standing(approval, standing)]
    if approval.state is State.WAITING:
        lines.append("*What would be signed:*")
        lines += [f"• {escape.mrkdwn(line, _LINE)}" for line in signable.lines(approval.proposal.draft)]
    if approval.alone and approval.decided:
        lines.append(f"Reason: {escape.mrkdwn(approval.decided.reason, _REASON)}")
        seen = approval.reviewed
        lines.append(f"Reviewed by {person(seen.who.user)}" if seen else "Not reviewed yet: another approver has to look at it.")
    lines += _nodes(approval.granted, "") if approval.granted else []
    lines += _nodes(approval.undo, "undo on ") if approval.undo else []
    return lines


def _standing(approval: Approval, standing: Standing) -> str:
    by = person(approval.decided.who.user) if approval.decided else ""
    agreed = f"approved by {named(tuple(vote.who.user for vote in approval.votes))}" if approval.votes else ""
    if approval.state is State.WAITING:
        waits = waited_for(approval, standing.now)
        who = f"waiting for {named(waits)}" if waits else "nobody is left who could agree"
        said = f"{agreed}; " if agreed else ""
        return f"{len(standing.agreed)} of {standing.needed} approved: {said}{who}; expires {clock(approval.expires)}"
    held = f" It is held up: {escape.mrkdwn(standing.held, _REASON)}" if standing.held else ""
    reason = f": {escape.mrkdwn(approval.decided.reason, _REASON)}" if approval.decided and approval.decided.reason else ""
    match approval.state:
        case State.GRANTED:
            return f"{f'{by} goes ahead alone' if approval.alone else agreed}; being carried out.{held}"
        case State.REJECTED | State.WITHDRAWN:
            return f"{approval.state.value} by {by}{reason}"
        case State.REFUSED:
            return f"nobody was asked{reason}"
        case State.EXPIRED:
            had = f"{len(approval.votes)} of {standing.needed} had approved"
            return f"expired {clock(approval.expires)}, {had}; nothing was changed"
        case State.NOT_CARRIED_OUT:
            return f"{agreed or f'{by} went ahead alone'}, but it expired before it could be signed; nothing was changed"
        case State.UNKNOWN | State.UNDO_UNKNOWN:
            why = "a node did not answer" if approval.reported else "no worker has said what became of it"
            return f"{why}; what the nodes hold is not known. Look at them with the command `node`."
        case State.UNDOING:
            return f"{person(approval.undo_asked.who.user) if approval.undo_asked else 'somebody'} has it undone.{held}"
        case _:
            return f"{approval.state.value}; {agreed or f'{by} went ahead alone'}"


def _nodes(signed: Signed, prefix: str) -> Iterator[str]:
    for end in signed.ends[:_NODES]:
        reason = f": {escape.mrkdwn(end.reason, _LINE)}" if end.reason else ""
        until = f"; goes back by itself at {escape.mrkdwn(end.undo_at, _NODE)}, {_UNSEEN}" if end.undo_at else ""
        yield f"• {prefix}{escape.code(end.node, _NODE)} {_ENDS[end.ended]}{reason}{until}"
    if len(signed.ends) > _NODES:
        done = sum(end.ended == "done" for end in signed.ends)
        yield f"and {len(signed.ends) - _NODES} more nodes; changed: {done} of {len(signed.ends)}"


def _words(approval: Approval, standing: Standing) -> str:
    """In plain text, for lists."""
    if approval.state is not State.WAITING:
        return str(approval.state.value)
    return f"{len(standing.agreed)} of {standing.needed} approved, expires {clock(approval.expires)}"
