"""Answers that make no job, seen by the person alone where Slack allows that, and given once for a repeated delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from bot.asked import Asked
from workers.jobs import Jobs, QueueAway
from workers.render.message import Message
from workers.slack.errors import SlackError
from workers.slack.thread import Position, Thread

log = structlog.get_logger()

ANSWERED: Final = "answered before"
"""The outcome of a delivery to which somebody began to say an answer before."""
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Asides:
    """`outcome` is for logs and metrics, and handed back."""

    jobs: Jobs
    thread: Thread

    async def once(self, asked: Asked, message: Message, outcome: str) -> str:
        """`say`, unless it was said to this delivery before."""
        try:
            if not await self.jobs.first_time(f"{asked.delivery}:{outcome}"):
                return ANSWERED
        except QueueAway as e:
            log.warning("queue_away", reason=str(e))  # who is told twice is better off than who is told nothing
        return await self.say(asked, message, outcome)

    async def say(self, asked: Asked, message: Message, outcome: str) -> str:
        """To the person alone, or in the thread where they asked. That it could not be said is logged."""
        try:
            if asked.response_url:
                call = self.thread.slack.respond
                await self.thread.pace.patiently(asked.channel, lambda: call(asked.response_url, message), _PATIENCE_S)
            else:
                thread = asked.thread or ""
                await self.thread.reply(Position(asked.channel, thread, thread), message, _PATIENCE_S)
        except SlackError as e:
            log.error("person_not_told", reason=str(e), about=outcome)  # noqa: TRY400  (the reason says all)
        return outcome
