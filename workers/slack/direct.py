"""The whole answer by direct message to the person whose channel got a redacted one; once, whoever takes the job over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from workers.job import Channel, Job
from workers.render import notices
from workers.render.message import Message
from workers.slack.errors import SlackRefused
from workers.slack.thread import PATIENCE_S, Thread
from workers.work.result import Held, tell

log = structlog.get_logger()

_MESSAGE = "the direct message"
_PREFIX = "directly: "


async def send(thread: Thread, held: Held, message: Message, seconds: float = PATIENCE_S) -> None:
    """The person has it. That Slack does not let the bot write to them is logged and no more. Raises `SlackAway`."""
    try:
        at = (await held.files()).get(_MESSAGE) or await _begun(thread, held, seconds)
        channel, _, ts = at.partition(" ")
        await tell(thread, _Direct(replace(held.job, channel=Channel(channel)), held, ts), message, took_s=0.0, seconds=seconds)
    except SlackRefused as e:
        log.warning("details_refused", code=e.code, job=held.job.id, trace=held.job.trace)


async def _begun(thread: Thread, held: Held, seconds: float) -> str:
    """A message that says nothing yet, so that one that is posted twice does no harm."""
    begun = notices.details(held.job.id, held.job.channel.id)
    at = " ".join(await thread.write_to(held.job.requester.user, begun, seconds))
    await held.store_file(_MESSAGE, at)
    return at


@dataclass
class _Direct:
    """A job whose message is the direct one; what is remembered of it is kept apart from that of the other."""

    job: Job
    held: Held
    ts: str

    async def position(self) -> str | None:
        return self.ts

    async def place(self, ts: str) -> None:
        self.ts = ts
        await self.held.store_file(_MESSAGE, f"{self.job.channel.id} {ts}")

    async def files(self) -> dict[str, str]:
        known = await self.held.files()
        return {name.removeprefix(_PREFIX): value for name, value in known.items() if name.startswith(_PREFIX)}

    async def store_file(self, name: str, file_id: str) -> None:
        await self.held.store_file(f"{_PREFIX}{name}", file_id)

    async def posted(self, file_id: str) -> None:
        """Nobody else ever reads it, so that it never has to go."""
