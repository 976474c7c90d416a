"""Posting into a thread: new messages, edits by position, replies. An edit may be sent twice, a post may not need to be.

A post whose answer was lost is made again, so a placeholder can stand twice; that is why it says no more than "queued". The
result is only ever an edit of the message whose position was stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from workers.job import Channel
from workers.render.fallback import plain
from workers.render.message import Message
from workers.slack.client import Slack
from workers.slack.errors import BlocksRefused
from workers.slack.pace import Pace

log = structlog.get_logger()

PATIENCE_S = 300.0
"""How long a worker tries to say a result before it gives the job back to the queue."""


@dataclass(frozen=True)
class Position:
    """A message, and the thread in which replies to it go."""

    channel: str
    ts: str
    thread: str

    @classmethod
    def of(cls, channel: Channel, ts: str) -> Position:
        """Where a job's message stands: in the thread it was asked in, else it starts one."""
        return cls(channel.id, ts, channel.thread or ts)


class Thread:
    """Writes into threads, channel by channel, and waits as Slack wants. All raise `SlackRefused`, and `SlackAway` in the end."""

    def __init__(self, slack: Slack, pace: Pace | None = None) -> None:
        self.slack = slack
        self.pace = pace or Pace()

    async def place(self, channel: Channel, message: Message, seconds: float = PATIENCE_S) -> Position:
        """A new message where the person asked."""
        return Position.of(channel, await self._post(channel.id, channel.thread, message, seconds))

    async def edit(self, at: Position, message: Message, seconds: float = PATIENCE_S) -> None:
        """The message is this one from now on."""
        await self.pace.patiently(at.channel, lambda: self._update(at, message), seconds)

    async def edit_once(self, at: Position, message: Message) -> None:
        """The same, without a second try."""
        await self.pace.once(at.channel, lambda: self._update(at, message))

    async def reply(self, at: Position, message: Message, seconds: float = PATIENCE_S) -> None:
        """A new message in the thread."""
        await self._post(at.channel, at.thread, message, seconds)

    async def write_to(self, user: str, message: Message, seconds: float = PATIENCE_S) -> tuple[str, str]:
        """A direct message to somebody; answers the conversation that it is in, and its ts."""
        return await self.pace.patiently(user, lambda: self.slack.write_to(user, message.text, message.blocks), seconds)

    async def _post(self, channel: str, thread: str | None, message: Message, seconds: float) -> str:
        async def post() -> str:
            try:
                return await self.slack.post(channel, message.text, message.blocks, thread)
            except BlocksRefused as e:
                log.error("blocks_refused", code=e.code, channel=channel)  # noqa: TRY400  (the code says all)
                return await self.slack.post(channel, plain(message), (), thread)

        return await self.pace.patiently(channel, post, seconds)

    async def _update(self, at: Position, message: Message) -> None:
        try:
            await self.slack.update(at.channel, at.ts, message.text, message.blocks)
        except BlocksRefused as e:
            log.error("blocks_refused", code=e.code, channel=at.channel, ts=at.ts)  # noqa: TRY400  (the code says all)
            await self.slack.update(at.channel, at.ts, plain(message), ())
