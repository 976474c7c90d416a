"""Which job a person means: the one of an id, or their last one; jobs of other channels are their own business."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Self

from bot.command import Context
from bot.commands import again
from bot.nearest import nearest
from workers.errors import UsageError, shown
from workers.job import Job
from workers.params import Arg
from workers.phrase import line
from workers.queue.errors import NoSuchJob
from workers.queue.status import Status

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class JobId:
    """The id of a job, as its message shows it."""

    id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Letters, digits, `-` and `_`."""
        if not _ID.fullmatch(text):
            raise UsageError(f"{shown(text)} is not the id of a job")
        return cls(text)

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Params:
    """The job; the person's last one where none is said."""

    job: Annotated[JobId | None, Arg("its id; your last job without", bare=True)] = None


def said(job: Job, ctx: Context) -> str:
    """The job's command as a person would type it; its verb alone where others read, whom its words would tell names."""
    if job.redacted or ctx.rules.redacts(ctx.channel):
        return job.command
    try:
        invocation = again(job, ctx.entries)
    except UsageError:  # a step of an approval is no command
        return job.text.replace(job.command, job.command.replace("_", " "), 1)
    return line(job.command, invocation.params, job.namespace)


async def meant(params: Params, ctx: Context) -> Status:
    """The job of the person or of this channel. Raises `UsageError`."""
    recent = await ctx.jobs.recent(ctx.who.user)
    if params.job is None:
        if not recent:
            raise UsageError("you have no jobs yet")
        return recent[0]
    wanted = params.job.id
    unknown = UsageError(
        f"there is no job {wanted} of yours or of this channel", nearest=nearest(wanted, [s.job.id for s in recent])
    )
    try:
        status = await ctx.jobs.status(wanted)
    except NoSuchJob as e:
        raise unknown from e
    if status.job.requester.user != ctx.who.user and status.job.channel.id != ctx.channel.id:
        raise unknown
    return status
