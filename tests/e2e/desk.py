"""A bot's hands for tests of workers: jobs are asked for as the bot does it, and watched until their end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.lab.lab import Lab
from deploy.lab.slack import SlackStandIn
from workers.job import Channel, Job, Requester
from workers.jobs import Jobs, State
from workers.render import progress, verdict
from workers.render.progress import Progress
from workers.slack.client import Slack
from workers.slack.thread import Thread
from workers.terminal import now

SIGNS = tuple(verdict.SIGNS.values())
POLL_S = 0.02


@dataclass(frozen=True)
class Desk:
    """Asks for jobs in the lab's workspace."""

    lab: Lab
    jobs: Jobs

    @property
    def slack(self) -> SlackStandIn:
        """The workspace."""
        return self.lab.slack

    async def intend(self, command: str = "pod", user: str = "", **words: str) -> Job:
        """A job whose bot died before it posted anything."""
        name = secrets.token_hex(6)
        who = Requester(user or self.slack.workspace.alice, self.slack.workspace.team, standing="member")
        where = Channel(self.slack.workspace.incidents, shared=False)
        job = Job(name, command, words, "default", "lab", who, where, f"D-{name}", f"t-{name}", now())
        await self.jobs.intend(job)
        return job

    async def ask(self, command: str = "pod", user: str = "", **words: str) -> Job:
        """A job with its message, queued."""
        job = await self.intend(command, user, **words)
        slack = Slack(self.slack.workspace.bot_token, self.slack.api_url)
        try:
            at = await Thread(slack).place(job.channel, progress.message(Progress(job.id, job.text)))
        finally:
            await slack.close()
        await self.jobs.placed(job.id, at.ts)
        await self.jobs.queue(job.id)
        return job

    async def ended(self, job: Job, seconds: float = 90.0) -> State:
        """The end of the job."""
        await until(lambda: self._over(job), seconds)
        return (await self.jobs.status(job.id)).state

    async def _over(self, job: Job) -> bool:
        return (await self.jobs.status(job.id)).state.over

    def said(self) -> list[dict[str, Any]]:
        """The bot's messages in the channel, those in threads too."""
        return [m for m in self.slack.messages() if m.get("user") == self.slack.workspace.bot]

    def results(self) -> list[dict[str, Any]]:
        """Those that hold a verdict."""
        return [m for m in self.said() if str(m.get("text", "")).startswith(SIGNS)]

    def files(self) -> list[str]:
        """Every file that was shared, by name."""
        return sorted(file["name"] for m in self.said() for file in m.get("files") or ())


async def until(true: Callable[[], Any], seconds: float = 90.0) -> None:
    """Returns when it is so; a coroutine function is awaited, any other is asked in a thread."""
    async with asyncio.timeout(seconds):
        while True:
            answer = true() if asyncio.iscoroutinefunction(true) else await asyncio.to_thread(true)
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            await asyncio.sleep(POLL_S)
