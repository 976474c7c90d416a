"""Messages reach their thread whatever Slack does, and one channel's trouble is not another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
import pytest_asyncio

from deploy.lab.slack import Fault, Kind, SlackStandIn
from tests.slack.parts import POST, UPDATE, at, of_the_bot, said, texts, until, writing
from workers.job import Channel
from workers.render import limits
from workers.slack.errors import MessageGone, NotInChannel, SlackAway, SlackRefused
from workers.slack.thread import Thread
from workers.work.live import Live


@pytest_asyncio.fixture
async def thread(slack: SlackStandIn) -> AsyncIterator[Thread]:
    async with writing(slack) as it:
        yield it


async def always() -> bool:
    return True


async def never() -> bool:
    return False


def here(slack: SlackStandIn, in_thread: str | None = None) -> Channel:
    return Channel(slack.workspace.incidents, in_thread, shared=False)


async def test_a_message_in_the_channel_starts_its_own_thread(slack: SlackStandIn, thread: Thread) -> None:
    position = await thread.place(here(slack), said("queued"))
    await thread.reply(position, said("a detail"))
    root, reply = of_the_bot(slack)
    assert position.ts == position.thread == root["ts"] == reply["thread_ts"]
    assert "thread_ts" not in root


async def test_a_message_in_a_thread_keeps_its_replies_there(slack: SlackStandIn, thread: Thread) -> None:
    asked = slack.say("what is wrong?")
    position = await thread.place(here(slack, asked), said("queued"))
    await thread.reply(position, said("a detail"))
    assert [message["thread_ts"] for message in of_the_bot(slack)] == [asked, asked]


@pytest.mark.parametrize("kind", [Kind.SERVER_ERROR, Kind.RESET, Kind.ANSWER_LOST, Kind.RATE_LIMITED, Kind.DELAYED])
async def test_an_edit_ends_as_it_should_whatever_happens_on_the_way(slack: SlackStandIn, thread: Thread, kind: Kind) -> None:
    position = await thread.place(here(slack), said("queued"))
    slack.fail(Fault(UPDATE, kind, times=2 if kind is not Kind.RATE_LIMITED else 1, seconds=0.2))
    await thread.edit(position, said("the result"))
    assert texts(of_the_bot(slack)) == ["the result"]


@pytest.mark.parametrize("kind", [Kind.SERVER_ERROR, Kind.RESET, Kind.RATE_LIMITED])
async def test_a_post_that_slack_did_not_take_is_made_once(slack: SlackStandIn, thread: Thread, kind: Kind) -> None:
    slack.fail(Fault(POST, kind))
    await thread.place(here(slack), said("queued"))
    assert texts(of_the_bot(slack)) == ["queued"]


async def test_a_post_whose_answer_was_lost_leaves_an_orphan_that_stays_neutral(slack: SlackStandIn, thread: Thread) -> None:
    slack.fail(Fault(POST, Kind.ANSWER_LOST))
    position = await thread.place(here(slack), said("queued, job 1"))
    await thread.edit(position, said("the result"))
    assert texts(of_the_bot(slack)) == ["queued, job 1", "the result"]


async def test_slack_is_not_asked_again_before_the_time_it_named(slack: SlackStandIn, thread: Thread) -> None:
    slack.fail(Fault(POST, Kind.RATE_LIMITED, seconds=1))
    first = asyncio.create_task(thread.place(here(slack), said("message 0")))
    await until(lambda: slack.calls(POST))
    await asyncio.gather(first, *(thread.place(here(slack), said(f"message {n}")) for n in (1, 2)))
    limited, *later = slack.calls(POST)
    assert limited.status == 429
    assert all(call.at >= limited.at + 0.99 for call in later)
    assert sorted(texts(of_the_bot(slack))) == ["message 0", "message 1", "message 2"]


async def test_a_channel_that_has_to_wait_waits_alone(slack: SlackStandIn, thread: Thread) -> None:
    slack.fail(Fault(POST, Kind.RATE_LIMITED, seconds=3600, channel=slack.workspace.incidents))
    with pytest.raises(SlackAway):
        await thread.place(here(slack), said("too early"), seconds=10)
    await thread.place(Channel(slack.workspace.platform), said("elsewhere"), seconds=10)
    with pytest.raises(SlackAway):  # and nobody waits there for longer than they want
        await thread.place(here(slack), said("still too early"), seconds=10)
    with pytest.raises(SlackAway):
        await thread.edit_once(at(slack, "1.000001"), said("progress"))
    assert len(slack.calls(POST, UPDATE)) == 2
    assert texts(of_the_bot(slack, slack.workspace.platform)) == ["elsewhere"]


async def test_patience_ends(slack: SlackStandIn, thread: Thread) -> None:
    slack.fail(Fault(POST, Kind.SERVER_ERROR, times=-1))
    with pytest.raises(SlackAway):
        await thread.place(here(slack), said("queued"), seconds=0.5)
    assert len(slack.calls(POST)) > 1


async def test_a_channel_without_the_bot_is_named_as_such(slack: SlackStandIn, thread: Thread) -> None:
    with pytest.raises(NotInChannel):
        await thread.place(Channel(slack.workspace.outside), said("queued"))
    with pytest.raises(NotInChannel):
        await thread.place(Channel("C0NOWHERE"), said("queued"))


async def test_other_refusals_are_not_tried_again(slack: SlackStandIn, thread: Thread) -> None:
    slack.fail(Fault(POST, Kind.REFUSED, error="account_inactive"))
    with pytest.raises(SlackRefused, match="account_inactive"):
        await thread.place(here(slack), said("queued"))
    assert len(slack.calls(POST)) == 1


async def test_a_message_that_is_gone_is_named_as_such(slack: SlackStandIn, thread: Thread) -> None:
    with pytest.raises(MessageGone):
        await thread.edit(at(slack, "1.000001"), said("the result"))


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long"])
async def test_blocks_that_slack_refuses_are_said_as_text(slack: SlackStandIn, thread: Thread, code: str) -> None:
    slack.fail(Fault(POST, Kind.REFUSED, error=code))
    position = await thread.place(here(slack), said("queued"))
    slack.fail(Fault(UPDATE, Kind.REFUSED, error=code))
    await thread.edit(position, said("the result " * 1000))
    (message,) = of_the_bot(slack)
    assert message["text"].startswith("the result the result")
    assert len(message["text"]) <= limits.TEXT
    assert not message["blocks"]


async def test_no_token_and_no_words_of_a_message_are_in_an_error(slack: SlackStandIn, thread: Thread) -> None:
    slack.fail(Fault(POST, Kind.SERVER_ERROR, times=-1))
    with pytest.raises(SlackAway) as caught:
        await thread.place(here(slack), said("words of a person"), seconds=0.01)
    assert "words" not in str(caught.value)
    assert slack.workspace.bot_token not in str(caught.value)


async def held() -> bool:
    """The job is in this worker's hands."""
    return True


async def lost() -> bool:
    """It is not any more."""
    return False


async def test_a_worker_that_lost_the_job_says_nothing_of_its_progress(slack: SlackStandIn, thread: Thread) -> None:
    position = await thread.place(Channel(slack.workspace.incidents), said("the result"))
    async with Live(thread, position, lost, apart_s=0.01) as live:
        live.show(said("asking"))
        await asyncio.sleep(0.1)
    assert texts(of_the_bot(slack)) == ["the result"]


async def test_progress_is_shown_seldom_and_the_newest_counts(slack: SlackStandIn, thread: Thread) -> None:
    position = await thread.place(here(slack), said("queued"))
    async with Live(thread, position, held, apart_s=0.3) as live:
        for number in range(60):
            live.show(said(f"step {number}"))
            await asyncio.sleep(0.01)
    edits = slack.calls(UPDATE)
    assert 1 <= len(edits) <= 3
    assert all(later.at - earlier.at >= 0.3 for earlier, later in pairwise(edits))
    steps = [int(str(call.args["text"]).removeprefix("step ")) for call in edits]
    assert all(later > earlier + 1 for earlier, later in pairwise(steps))


async def test_who_has_lost_the_job_shows_no_progress(slack: SlackStandIn, thread: Thread) -> None:
    position = await thread.place(here(slack), said("queued"))
    async with Live(thread, position, never, apart_s=0.01) as live:
        live.show(said("judging"))
        await asyncio.sleep(0.1)
    assert not slack.calls(UPDATE)


async def test_no_progress_comes_after_the_result(slack: SlackStandIn, thread: Thread) -> None:
    position = await thread.place(here(slack), said("queued"))
    slack.fail(Fault(UPDATE, Kind.DELAYED, seconds=0.5))
    async with Live(thread, position, held) as live:
        live.show(said("judging"))
        await until(live._sending.locked)
    await thread.edit(position, said("the result"))
    await asyncio.sleep(0.6)
    assert texts(of_the_bot(slack)) == ["the result"]
    assert [call.args["text"] for call in slack.calls(UPDATE)] == ["judging", "the result"]


async def test_progress_that_slack_refuses_is_left_out(slack: SlackStandIn, thread: Thread) -> None:
    position = await thread.place(here(slack), said("queued"))
    slack.fail(Fault(UPDATE, Kind.SERVER_ERROR))
    async with Live(thread, position, held, apart_s=0.05) as live:
        live.show(said("one"))
        await until(lambda: slack.calls(UPDATE))
        live.show(said("two"))
        await until(lambda: len(slack.calls(UPDATE)) > 1)
    assert texts(of_the_bot(slack)) == ["two"]
