"""A worker's hands on a real Slack stand-in and a real queue."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from deploy.lab.slack import SlackStandIn
from tests.queue_parts import queued
from workers.job import Channel, Job, Requester
from workers.jobs import Jobs, Lease
from workers.render import progress
from workers.render.message import Message
from workers.slack.client import Slack
from workers.slack.thread import Position, Thread

POST, UPDATE = "chat.postMessage", "chat.update"
BEGIN, UPLOAD, COMPLETE = "files.getUploadURLExternal", "upload", "files.completeUploadExternal"


def said(text: str, *, blocks: bool = True) -> Message:
    """A message that says so."""
    block = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
    return Message(text, (block,) if blocks else ())


def asked_in(slack: SlackStandIn, thread: str | None = None) -> Job:
    """A job that was asked for there."""
    name = secrets.token_hex(6)
    who, where = Requester(slack.workspace.alice, slack.workspace.team), Channel(slack.workspace.incidents, thread, shared=False)
    words = {"target": "hello-world"}
    return Job(name, "pod", words, "default", "lab", who, where, f"D-{name}", f"t-{name}", "2026-01-01T00:00:00Z")


def placeholder(job: Job) -> Message:
    """What stands in the thread before the result."""
    return progress.message(progress.Progress(job.id, job.text))


@asynccontextmanager
async def writing(slack: SlackStandIn) -> AsyncIterator[Thread]:
    """A worker's or a bot's way into threads."""
    client = Slack(slack.workspace.bot_token, slack.api_url)
    try:
        yield Thread(client)
    finally:
        await client.close()


@asynccontextmanager
async def in_hand(slack: SlackStandIn, jobs: Jobs, thread: Thread, asked_thread: str | None = None) -> AsyncIterator[Lease]:
    """A job whose placeholder stands, taken by a worker."""
    job = asked_in(slack, asked_thread)
    await jobs.intend(job)
    at = await thread.place(job.channel, placeholder(job))
    await jobs.placed(job.id, at.ts)
    await jobs.queue(job.id)
    async with jobs.take("worker", 5) as lease:
        assert lease is not None
        yield lease


def of_the_bot(slack: SlackStandIn, channel: str = "") -> list[dict[str, Any]]:
    """The bot's messages, oldest first."""
    return [message for message in slack.messages(channel) if message.get("user") == slack.workspace.bot]


def texts(messages: Sequence[dict[str, Any]]) -> list[str]:
    """What they say."""
    return [message.get("text", "") for message in messages]


async def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Returns when it is so; asked in a thread, since a bot in this loop may have to answer first."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110  (another process has no event to wait for)
            await asyncio.sleep(0.01)


def at(slack: SlackStandIn, ts: str) -> Position:
    """A message of the usual channel."""
    return Position(slack.workspace.incidents, ts, ts)


__all__ = [
    "BEGIN", "COMPLETE", "POST", "UPDATE", "UPLOAD", "asked_in", "at", "in_hand", "of_the_bot", "placeholder", "queued", "said",
    "texts", "until", "writing",
]  # fmt: skip
