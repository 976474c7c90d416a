"""Run a job's command once more, with the namespace and the cluster that it had."""

from __future__ import annotations

from bot.command import Command, Context
from bot.commands import again
from bot.plain._job import Params, meant


async def answer(params: Params, ctx: Context) -> None:
    """The new job's own message speaks for itself. Raises `UsageError`."""
    job = (await meant(params, ctx)).job
    if params.job is None and job.command not in ctx.entries:
        commands = [s.job for s in await ctx.jobs.recent(ctx.who.user) if s.job.command in ctx.entries]
        job = commands[0] if commands else job
    await ctx.run(again(job, ctx.entries))


COMMAND = Command(
    name="again",
    summary="Run your last command, or that of a job, once more",
    params=Params,
    answer=answer,
    examples=("again", "again 01hx3v"),
    aliases=("rerun",),
)
