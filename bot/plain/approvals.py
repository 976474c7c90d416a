"""What waits for somebody's decision here, and for whose."""

from __future__ import annotations

from dataclasses import dataclass

from bot.approver.board import Posted
from bot.command import Command, Context
from bot.plain._approval import concerned, reached
from workers.render import escape, listing
from workers.render.message import Message
from workers.render.notices import person

_LINE, _PEOPLE = 300, 8


@dataclass(frozen=True)
class Params:
    """There are none."""


async def answer(params: Params, ctx: Context) -> Message:
    """Those of this channel, the newest first; others are counted."""
    del params
    board = await reached(ctx).board()
    open_ = sorted((posted for posted in board.approvals if posted.open), key=lambda p: -p.created)
    lines = [_line(posted) for posted in open_ if posted.channel == ctx.channel.id]
    elsewhere = len(open_) - len(lines)
    title = "Waiting for a decision here" if lines else "Nothing waits for a decision here"
    return listing.message(title, [*lines, *([f"_{elsewhere} more in other channels_"] if elsewhere else [])])


def _line(posted: Posted) -> str:
    head = f"{escape.code(posted.id, _LINE)} {escape.mrkdwn(posted.headline, _LINE)} · asked by {person(posted.requester)}"
    people = ", ".join(person(user) for user in posted.waits_for[:_PEOPLE])
    waits = f"; waiting for {people}" if people else ""
    review = "; somebody went ahead alone and nobody has reviewed it" if "review" in posted.acts else ""
    return f"{head} · {escape.mrkdwn(posted.status, _LINE)}{waits}{review}"


COMMAND = Command(
    name="approvals",
    summary="Changes that wait for somebody's decision",
    params=Params,
    answer=answer,
    examples=("approvals",),
    may=concerned,
)
