"""A person's last jobs and how each stands."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, Context
from bot.plain._job import said
from workers.queue.status import Status
from workers.render import listing, verdict
from workers.render.escape import code
from workers.render.message import Message

_SHOWN, _COMMAND = 10, 200


@dataclass(frozen=True)
class Params:
    """There are none."""


async def answer(params: Params, ctx: Context) -> Message:
    """The newest first."""
    del params
    recent = await ctx.jobs.recent(ctx.who.user, _SHOWN)
    lines = [_line(status, ctx) for status in recent]
    return listing.message("Your last jobs" if lines else "You have no jobs yet", lines)


def _line(status: Status, ctx: Context) -> str:
    took = (
        f" after {verdict.took(status.finished - status.queued)}"
        if status.state.over and status.finished and status.queued
        else ""
    )
    reason = f": {code(status.reason, _COMMAND)}" if status.reason else ""
    return f"{code(status.job.id, _COMMAND)} {code(said(status.job, ctx), _COMMAND)} {status.state.value}{took}{reason}"


COMMAND = Command(name="jobs", summary="Your last jobs and how each stands", params=Params, answer=answer, examples=("jobs",))
