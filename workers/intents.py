"""Jobs whose bot died before it queued them get a message and a place in the queue, from whoever looks first."""

from __future__ import annotations

import asyncio

import structlog

from workers.jobs import Intent, Jobs, NoSuchJob, QueueAway
from workers.render import progress
from workers.render.progress import Progress
from workers.slack.errors import SlackAway, SlackRefused
from workers.slack.thread import Thread

log = structlog.get_logger()

OVERDUE_S = 10.0
"""A bot that has not queued a job for so long has died, or Slack did not take the job's message in that time."""
_PATIENCE_S = 5.0


async def look_after(jobs: Jobs, thread: Thread, overdue_s: float = OVERDUE_S) -> None:
    """Until it is cancelled. Run it in every process: each job is given to one of them only."""
    while True:
        await asyncio.sleep(overdue_s / 4)
        try:
            for intent in await jobs.overdue_intents(overdue_s):
                await _adopt(jobs, thread, intent)
        except QueueAway as e:
            log.warning("intents_wait", reason=str(e))


async def _adopt(jobs: Jobs, thread: Thread, intent: Intent) -> None:
    job, ts = intent.job, intent.ts
    with structlog.contextvars.bound_contextvars(job=job.id, trace=job.trace):
        try:
            if ts is None:
                ts = (await thread.place(job.channel, progress.message(Progress(job.id, job.title)), _PATIENCE_S)).ts
            await jobs.placed(job.id, ts)
            await jobs.queue(job.id)
            log.info("intent_adopted")
        except SlackAway as e:
            log.warning("intent_waits", reason=str(e))
        except SlackRefused as e:
            log.warning("intent_abandoned", reason=str(e))
            await jobs.abandon(job, str(e))
        except NoSuchJob:
            log.info("intent_gone")
