"""Jobs whose bot died in the middle of placing them: somebody finds them, and each has one message that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio

from deploy.lab.slack import Fault, Kind, SlackStandIn
from tests.slack.parts import POST, asked_in, of_the_bot, placeholder, said, writing
from workers import intents
from workers.job import Channel, Job
from workers.jobs import Jobs, State
from workers.slack.thread import Thread

SOON_S = 0.1


@pytest_asyncio.fixture
async def thread(slack: SlackStandIn) -> AsyncIterator[Thread]:
    async with writing(slack) as it:
        yield it


@asynccontextmanager
async def looked_after(jobs: Jobs, thread: Thread, lookers: int = 1) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(intents.look_after(jobs, thread, SOON_S)) for _ in range(lookers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def becomes(jobs: Jobs, job: Job, state: State) -> str | None:
    async with asyncio.timeout(20):
        while (status := await jobs.status(job.id)).state is not state:  # noqa: ASYNC110  (Redis has no event for it)
            await asyncio.sleep(0.01)
    return status.ts


async def test_an_intent_without_a_message_gets_one_however_many_look(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    job = asked_in(slack)
    await jobs.intend(job)
    async with looked_after(jobs, thread, 3):
        ts = await becomes(jobs, job, State.QUEUED)
        await asyncio.sleep(3 * SOON_S)
    assert [message["ts"] for message in of_the_bot(slack)] == [ts]


async def test_an_intent_with_a_message_is_only_queued(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    job = asked_in(slack)
    await jobs.intend(job)
    at = await thread.place(job.channel, placeholder(job))
    await jobs.placed(job.id, at.ts)
    async with looked_after(jobs, thread):
        assert await becomes(jobs, job, State.QUEUED) == at.ts
    assert len(of_the_bot(slack)) == 1


async def test_a_message_whose_ts_was_never_stored_stays_neutral(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    job = asked_in(slack)
    await jobs.intend(job)
    orphan = await thread.place(job.channel, placeholder(job))
    async with looked_after(jobs, thread):
        ts = await becomes(jobs, job, State.QUEUED)
    assert ts != orphan.ts
    assert [message["text"] for message in of_the_bot(slack)] == [placeholder(job).text] * 2


async def test_an_intent_that_somebody_points_at_another_message_gets_one_of_its_own(
    slack: SlackStandIn, jobs: Jobs, thread: Thread
) -> None:
    other = await thread.place(Channel(slack.workspace.incidents), said("a result"))
    job = asked_in(slack)
    await jobs.intend(job)
    await jobs.server.command("HSET", jobs.keys.job(job.id), "ts", other.ts)
    async with looked_after(jobs, thread):
        ts = await becomes(jobs, job, State.QUEUED)
    assert [message["ts"] for message in of_the_bot(slack)] == [other.ts, ts]


async def test_an_intent_waits_for_a_slack_that_is_away(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    slack.fail(Fault(POST, Kind.SERVER_ERROR, times=3))
    job = asked_in(slack)
    await jobs.intend(job)
    async with looked_after(jobs, thread):
        assert await becomes(jobs, job, State.QUEUED)


async def test_an_intent_in_a_channel_that_the_bot_has_left_is_given_up(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    slack.fail(Fault(POST, Kind.REFUSED, times=-1, error="not_in_channel"))
    job = asked_in(slack)
    await jobs.intend(job)
    async with looked_after(jobs, thread):
        await becomes(jobs, job, State.REFUSED)
    assert (await jobs.depth()).intended == 0
    assert "not_in_channel" in (await jobs.status(job.id)).reason
