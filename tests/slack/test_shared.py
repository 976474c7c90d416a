"""A channel that others come to read, on a real Slack stand-in: files go, and the person gets the whole answer alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest_asyncio

from deploy.lab.slack import Fault, Kind, SlackStandIn
from tests.queue_parts import queued
from tests.slack.parts import UPDATE, asked_in, of_the_bot, said, texts, writing
from tests.slack.running_bot import POD, Bot, running, settings_of
from tests.unit.conftest import RedisPlace
from workers.job import Channel, Job
from workers.jobs import Jobs, State
from workers.model import RawFile
from workers.render.message import Message
from workers.slack import direct
from workers.slack.removal import remove_files
from workers.slack.thread import Thread
from workers.work import result

WHOLE = Message("whole", said("whole").blocks, (RawFile("report.txt", "everything"),))


@pytest_asyncio.fixture
async def thread(slack: SlackStandIn) -> AsyncIterator[Thread]:
    """A way into threads."""
    async with writing(slack) as it:
        yield it


def job_in(slack: SlackStandIn, channel: str) -> Job:
    return replace(asked_in(slack), channel=Channel(channel, shared=False))


async def told(slack: SlackStandIn, jobs: Jobs, thread: Thread, message: Message, channel: str) -> None:
    """A worker tells a result there."""
    job = job_in(slack, channel)
    at = await thread.place(job.channel, said("queued"))
    await queued(jobs, job, at.ts)
    async with jobs.take("worker", 5) as lease:
        assert lease is not None
        await result.tell(thread, lease, message, took_s=0.0)
        await lease.finish(State.DONE)


def files(slack: SlackStandIn, channel: str) -> list[str]:
    return [file["name"] for message in of_the_bot(slack, channel) for file in message.get("files", ())]


async def test_files_are_removed_and_the_channel_is_told_once(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    here = slack.workspace.incidents
    await told(slack, jobs, thread, WHOLE, here)
    await told(slack, jobs, thread, WHOLE, here)
    posted = await jobs.channels.posted(here)
    assert (len(posted), files(slack, here)) == (2, ["report.txt", "report.txt"])
    await remove_files(jobs.channels, thread, here)
    await remove_files(jobs.channels, thread, here)
    assert [await thread.slack.is_shared(file_id) for file_id in posted] == [False, False]
    assert [text.partition(". ")[0] for text in texts(of_the_bot(slack, here)) if "🔒" in text] == [
        "🔒 Others can read this channel now: 2 files that netcheck had posted here are removed"
    ]


async def test_a_file_that_slack_does_not_let_go_is_said(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    here = slack.workspace.incidents
    await told(slack, jobs, thread, WHOLE, here)
    slack.fail(Fault("files.delete", Kind.REFUSED, error="cant_delete_file"))
    await remove_files(jobs.channels, thread, here)
    assert "Slack did not remove 1 more" in texts(of_the_bot(slack, here))[-1]


async def test_the_whole_answer_goes_to_the_person_once(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    here = slack.workspace.incidents
    job = job_in(slack, here)
    at = await thread.place(job.channel, said("queued"))
    await queued(jobs, job, at.ts)
    async with jobs.take("worker", 5) as lease:
        assert lease is not None
        await direct.send(thread, lease, WHOLE)
        await direct.send(thread, lease, WHOLE)
    (call, *_) = slack.calls(UPDATE)
    there = str(call.args["channel"])
    assert there.startswith("D")
    assert (texts(of_the_bot(slack, there)), files(slack, there), files(slack, here)) == (["whole", ""], ["report.txt"], [])
    assert await jobs.channels.posted(here) == ()


async def test_a_person_who_takes_no_direct_messages_is_no_trouble(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    job = await queued(jobs, job_in(slack, slack.workspace.incidents))
    slack.fail(Fault("chat.postMessage", Kind.REFUSED, error="messages_tab_disabled"))
    async with jobs.take("worker", 5) as lease:
        assert lease is not None
        assert lease.job == job
        await direct.send(thread, lease, WHOLE)


async def test_the_bot_removes_files_at_its_next_look_at_the_channel(
    slack: SlackStandIn, redis_place: RedisPlace, thread: Thread
) -> None:
    shared = slack.workspace.shared
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token)
    async with running(slack, redis_place, settings) as bot:
        await told(slack, bot.jobs, thread, WHOLE, shared)
        await bot.does(slack.command, POD, channel=shared)
        await bot.said("🔒 Others can read this channel now: 1 file", shared)
        assert await bot.jobs.channels.posted(shared) == ()


REDACTED = """
version = 1
[[rule]]
name = "the joint channel"
who = ["members"]
may = ["READ"]
channels = ["C0SHARED"]
shared_channels = true
"""


async def test_a_job_of_a_shared_channel_is_named_by_its_verb(
    slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(REDACTED)
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token, policy_file=policy)
    async with running(slack, redis_place, settings) as bot:
        await bot.does(slack.mention, POD, channel=slack.workspace.shared)
        (status,) = await bot.queued()
        assert (status.job.redacted, status.job.text) == (True, POD)
        placeholder = await bot.said("queued", slack.workspace.shared)
        assert "hello-world" not in str(placeholder)
        await refused_aloud(bot)


async def refused_aloud(bot: Bot) -> None:
    await bot.does(bot.slack.mention, "node node-one", channel=bot.slack.workspace.shared)
    await bot.said("the policy does not allow that in this channel", bot.slack.workspace.shared)
