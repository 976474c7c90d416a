"""The result in the thread, once: an edit of the job's message, its files, and a word to who waited long.

Every step can be done again by whoever takes the job over. The order is the order of worth.
"""

from __future__ import annotations

from typing import Protocol

import structlog

from workers.job import Job
from workers.render import notices, progress
from workers.render.message import Message
from workers.slack.errors import MessageGone
from workers.slack.thread import PATIENCE_S, Position, Thread
from workers.slack.uploads import FileIds, upload

log = structlog.get_logger()

LONG_S = 10.0
"""Edits do not notify: who waited longer than this is named in a reply."""
_NAMED = "the person was named"


class Held(FileIds, Protocol):
    """A job in hand, with what is remembered of it; a lease is one."""

    job: Job

    async def position(self) -> str | None:
        """The ts of its message."""

    async def place(self, ts: str) -> None:
        """Its message is another one from now on."""


async def tell(thread: Thread, held: Held, message: Message, *, took_s: float, seconds: float = PATIENCE_S) -> None:
    """The message holds the result. Raises `SlackRefused`, `SlackAway`: then nothing is lost, do it again later."""
    at = await _edit(thread, held, message, seconds)
    for file in message.files:
        await upload(thread, at, file, held, seconds)
    if took_s > LONG_S and _NAMED not in await held.files():
        await held.store_file(_NAMED, at.ts)  # before it is said: not twice, even if perhaps not at all
        await thread.reply(at, notices.finished(held.job.requester.user, took_s, message.text), seconds)


async def _edit(thread: Thread, held: Held, message: Message, seconds: float) -> Position:
    ts = await held.position()
    at = Position.of(held.job.channel, ts) if ts else await _placed(thread, held, seconds)
    try:
        await thread.edit(at, message, seconds)
    except MessageGone as e:
        log.warning("message_gone", job=held.job.id, trace=held.job.trace, code=e.code)
        at = await _placed(thread, held, seconds)
        await thread.edit(at, message, seconds)
    return at


async def _placed(thread: Thread, held: Held, seconds: float) -> Position:
    queued = progress.message(progress.Progress(held.job.id, held.job.title))
    at = await thread.place(held.job.channel, queued, seconds)
    await held.place(at.ts)
    return at
