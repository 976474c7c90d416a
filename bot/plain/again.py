"""Run a job's command once more, with the namespace and the cluster that it had."""

from __future__ import annotations

from bot.command import Command, Context
from bot.commands import again
from bot.plain._job import Params, meant


async def answer(params: Params, ctx: Context) -> None:
    """The new job's own message speaks for itself. Raises `UsageError`."""
    status = await meant(params, ctx)
    await ctx.run(again(status.job, ctx.entries))


COMMAND = Command(
    name="again",
    summary="Run your last command, or that of a job, once more",
    params=Params,
    answer=answer,
    examples=("again", "again 01hx3v"),
    aliases=("rerun",),
)
