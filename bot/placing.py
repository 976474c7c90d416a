"""A job from its intent to the queue. The order is what keeps a result from being lost or doubled.

The intent is stored, its message posted, the message's ts stored, and only then is the job queued. Whatever dies in between is
found by `workers.intents`.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot import trouble
from bot.aside import Asides
from bot.asked import Asked
from workers.job import Job
from workers.jobs import QueueAway, TooMany
from workers.policy.rules import Limits
from workers.render import notices, progress
from workers.render.progress import Progress
from workers.slack.errors import NotInChannel, SlackAway, SlackRefused

log = structlog.get_logger()

_PATIENCE_S = 8.0
"""How long a bot tries to post a job's message; after that `workers.intents` does."""


@dataclass(frozen=True)
class Placing:
    """Places jobs; `bot` is the bot's own user id."""

    asides: Asides
    bot: str

    async def place(self, asked: Asked, job: Job, limits: Limits) -> str:
        """The job is queued, or the person knows why not; what became of it. Raises `QueueAway` where nothing was stored."""
        try:
            intended = self.asides.jobs.intend(job, at_once=limits.jobs_at_once, per_minute=limits.jobs_per_minute)
            if await intended != job.id:
                return "repeated"
        except TooMany as e:
            return await self.asides.once(asked, notices.refused(str(e)), "too many")
        with structlog.contextvars.bound_contextvars(job=job.id):
            return await self._posted(asked, job)

    async def _posted(self, asked: Asked, job: Job) -> str:
        thread, queued = self.asides.thread, progress.message(Progress(job.id, job.title))
        try:
            at = await thread.place(job.channel, queued, _PATIENCE_S)
        except SlackAway as e:
            log.warning("placeholder_waits", reason=str(e))
            return await self.asides.say(asked, trouble.slack_away(job.id), "slack away")
        except SlackRefused as e:
            return await self._refused(asked, job, e)
        return await self._queued(asked, job, at.ts)

    async def _queued(self, asked: Asked, job: Job, ts: str) -> str:
        try:
            await self.asides.jobs.placed(job.id, ts)
            await self.asides.jobs.queue(job.id)
        except QueueAway as e:
            log.warning("queue_away", reason=str(e))
            return await self.asides.say(asked, trouble.waits_for_queue(job.id), "queue away")
        log.info("job_queued", command=job.command)
        return "queued"

    async def _refused(self, asked: Asked, job: Job, error: SlackRefused) -> str:
        log.warning("placeholder_refused", code=error.code)
        outside = isinstance(error, NotInChannel)
        said = trouble.not_in_channel(self.bot) if outside else trouble.slack_refused(error.code)
        await self.asides.say(asked, said, "not in channel" if outside else "refused by slack")
        await self.asides.jobs.abandon(job, str(error))
        return "not in channel" if outside else "refused by slack"
