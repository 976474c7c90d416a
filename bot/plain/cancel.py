"""End a job that waits or runs; what it asks on nodes is stopped there."""

from __future__ import annotations

from bot.command import Command, Context
from bot.plain._job import Params, meant, said
from workers.audit.entry import Kind
from workers.errors import UsageError
from workers.render import notices
from workers.render.message import Message


async def answer(params: Params, ctx: Context) -> Message:
    """Says that it was asked for; the job's own message says when it is over. Raises `UsageError` for one that is over."""
    job = (await meant(params, ctx)).job
    was = await ctx.jobs.cancel(job.id, ctx.who.user)
    ctx.records.note(Kind.CANCEL, job.id, {"was": was.value})
    if was.over:
        raise UsageError(f"job {job.id} is over already: it is {was.value}")
    return notices.cancelling(job.id, said(job, ctx))


COMMAND = Command(
    name="cancel",
    summary="End a job of yours or of this channel",
    params=Params,
    answer=answer,
    examples=("cancel", "cancel 01hx3v"),
    aliases=("stop",),
)
