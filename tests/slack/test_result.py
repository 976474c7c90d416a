"""One result in the thread: whoever takes a job over does every step again, and nobody sees anything twice."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from deploy.lab.slack import Fault, Kind, SlackStandIn
from tests.slack.parts import BEGIN, COMPLETE, UPDATE, UPLOAD, in_hand, of_the_bot, said, texts, writing
from tests.unit.conftest import RedisPlace
from workers.jobs import Jobs, State
from workers.model import RawFile
from workers.slack.errors import SlackAway, SlackRefused
from workers.slack.thread import Thread
from workers.work.result import tell

RAW = "1: lo: <LOOPBACK,UP>\n<!channel> & ```\n"
RESULT = replace(said("healthy"), files=(RawFile("addr.txt", RAW),))


@pytest_asyncio.fixture
async def thread(slack: SlackStandIn) -> AsyncIterator[Thread]:
    async with writing(slack) as it:
        yield it


def files(slack: SlackStandIn) -> list[dict[str, Any]]:
    return [{**file, "thread_ts": m.get("thread_ts")} for m in of_the_bot(slack) for file in m.get("files", ())]


async def test_the_placeholder_becomes_the_result_and_its_files_are_in_its_thread(
    slack: SlackStandIn, jobs: Jobs, thread: Thread
) -> None:
    async with in_hand(slack, jobs, thread) as lease:
        await tell(thread, lease, RESULT, took_s=0.4)
        position = await lease.position()
    result, shared = of_the_bot(slack)
    assert (result["text"], result["ts"]) == ("healthy", position)
    (file,) = shared["files"]
    assert (file["name"], shared["thread_ts"]) == ("addr.txt", position)
    assert file["size"] == len(RAW)


async def test_a_mention_in_a_thread_gets_everything_there(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    asked = slack.say("help")
    async with in_hand(slack, jobs, thread, asked) as lease:
        await tell(thread, lease, RESULT, took_s=60)
    assert [message["thread_ts"] for message in of_the_bot(slack)] == [asked] * 3


async def test_told_again_it_looks_the_same(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    async with in_hand(slack, jobs, thread) as lease:
        await tell(thread, lease, RESULT, took_s=12.0)
        before = texts(of_the_bot(slack))
        await tell(thread, lease, RESULT, took_s=12.0)
    assert texts(of_the_bot(slack)) == before
    assert len(files(slack)) == 1


async def test_who_did_not_wait_long_is_left_alone(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    async with in_hand(slack, jobs, thread) as lease:
        await tell(thread, lease, said("quick"), took_s=9.9)
    assert texts(of_the_bot(slack)) == ["quick"]


async def test_who_waited_long_is_named_once(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    async with in_hand(slack, jobs, thread) as lease:
        await tell(thread, lease, said("slow"), took_s=10.1)
        await tell(thread, lease, said("slow"), took_s=10.1)
    result, reply = of_the_bot(slack)
    assert f"<@{slack.workspace.alice}>" in reply["text"]
    assert reply["thread_ts"] == result["ts"]


@pytest.mark.parametrize("method", [BEGIN, UPLOAD, COMPLETE])
@pytest.mark.parametrize("kind", [Kind.RATE_LIMITED, Kind.SERVER_ERROR, Kind.ANSWER_LOST, Kind.RESET])
async def test_a_file_is_there_once_whatever_happens_on_the_way(
    slack: SlackStandIn, jobs: Jobs, thread: Thread, method: str, kind: Kind
) -> None:
    slack.fail(Fault(method, kind, seconds=1))
    async with in_hand(slack, jobs, thread) as lease:
        await tell(thread, lease, RESULT, took_s=0)
    assert len(files(slack)) == 1


@pytest.mark.parametrize("method", [BEGIN, UPLOAD, COMPLETE])
@pytest.mark.parametrize("kind", [Kind.SERVER_ERROR, Kind.ANSWER_LOST])
async def test_a_file_is_there_once_when_another_worker_has_to_finish(
    slack: SlackStandIn, jobs: Jobs, thread: Thread, method: str, kind: Kind
) -> None:
    slack.fail(Fault(method, kind, times=-1))
    if method == COMPLETE:
        slack.fail(Fault("files.info", Kind.SERVER_ERROR, times=-1))
    async with in_hand(slack, jobs, thread) as lease:
        with pytest.raises(SlackAway):
            await tell(thread, lease, RESULT, took_s=0, seconds=0.2)
    slack.heal()
    async with jobs.take("another", 5) as lease_again:
        assert lease_again is not None
        await tell(thread, lease_again, RESULT, took_s=0)
    assert len(files(slack)) == 1
    assert texts(of_the_bot(slack)).count("healthy") == 1


@pytest.mark.parametrize("code", ["file_uploads_disabled", "missing_scope"])
async def test_where_files_are_not_allowed_the_text_is_posted_once_and_harmless(
    slack: SlackStandIn, jobs: Jobs, thread: Thread, code: str
) -> None:
    slack.fail(Fault(BEGIN, Kind.REFUSED, times=-1, error=code))
    async with in_hand(slack, jobs, thread) as lease:
        await tell(thread, lease, RESULT, took_s=0)
        await tell(thread, lease, RESULT, took_s=0)
    result, part = of_the_bot(slack)
    assert part["thread_ts"] == result["ts"]
    assert "addr.txt" in part["text"]
    assert "&lt;!channel&gt; &amp;" in part["text"]
    assert part["text"].count("```") == 2


async def test_a_long_text_is_posted_in_parts_and_says_what_is_left_out(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    slack.fail(Fault(BEGIN, Kind.REFUSED, times=-1, error="file_uploads_disabled"))
    async with in_hand(slack, jobs, thread) as lease:
        await tell(thread, lease, replace(RESULT, files=(RawFile("long.txt", "x" * 50_000),)), took_s=0)
    _, *parts = texts(of_the_bot(slack))
    assert len(parts) == 4
    assert all("more are left out" in part for part in parts)


async def test_a_result_whose_message_was_deleted_gets_a_new_one(slack: SlackStandIn, jobs: Jobs, thread: Thread) -> None:
    slack.fail(Fault(UPDATE, Kind.REFUSED, error="message_not_found"))
    async with in_hand(slack, jobs, thread) as lease:
        before = await lease.position()
        await tell(thread, lease, said("healthy"), took_s=0)
        assert await lease.position() not in (before, None)
    assert texts(of_the_bot(slack)).count("healthy") == 1


async def test_a_job_that_somebody_points_at_another_message_writes_into_one_of_its_own(
    slack: SlackStandIn, jobs: Jobs, thread: Thread, redis_place: RedisPlace
) -> None:
    async with contextlib.aclosing(redis_place.server()) as server:
        async with in_hand(slack, jobs, thread) as first:
            await tell(thread, first, said("the first result"), took_s=0)
            sealed = await server.command("HGET", jobs.keys.job(first.job.id), "ts")
            bare = await first.position() or ""
            await first.finish(State.DONE)
        for forged in (bare, sealed):
            async with in_hand(slack, jobs, thread) as lease:
                await server.command("HSET", jobs.keys.job(lease.job.id), "ts", forged)
                await tell(thread, lease, said("another result"), took_s=0)
                await tell(thread, lease, said("another result"), took_s=0)
                await lease.finish(State.DONE)
    assert [text for text in texts(of_the_bot(slack)) if "result" in text] == ["the first result", *["another result"] * 2]


async def test_a_result_that_slack_refuses_for_good_is_an_error_and_not_silence(
    slack: SlackStandIn, jobs: Jobs, thread: Thread
) -> None:
    slack.fail(Fault(UPDATE, Kind.REFUSED, times=-1, error="token_revoked"))
    async with in_hand(slack, jobs, thread) as lease:
        with pytest.raises(SlackRefused, match="token_revoked"):
            await tell(thread, lease, said("healthy"), took_s=0)
