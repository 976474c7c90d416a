"""The whole way, by Slack's own protocol: from what a person does to the one message that answers it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deploy.lab.slack import Fault, Kind
from tests.e2e.conftest import Starting
from tests.e2e.desk import Desk, until

CLIENT = "pod client"


@pytest_asyncio.fixture(autouse=True)
async def _to_the_end(desk: Desk, start: Starting) -> AsyncIterator[None]:
    """No job of one test is left for the next one's worker."""
    del start
    yield

    async def idle() -> bool:
        depth = await desk.jobs.depth()
        return not (depth.intended or depth.waiting or depth.running or depth.later)

    await until(idle)


async def started(start: Starting) -> tuple[Any, Any]:
    """A bot and a worker."""
    return await asyncio.gather(asyncio.to_thread(start, "bot"), asyncio.to_thread(start, "worker"))


async def one_result(desk: Desk) -> dict[str, Any]:
    """The message that has it, once it is there; no other one does."""
    await until(desk.results)
    await until(lambda: len(desk.files()) == 2)
    (result,) = desk.results()
    return result


async def test_a_slash_command_is_answered_by_one_message_with_its_files_in_its_thread(desk: Desk, start: Starting) -> None:
    await started(start)
    await asyncio.to_thread(desk.slack.command, CLIENT)
    result = await one_result(desk)
    assert "thread_ts" not in result
    assert {m["thread_ts"] for m in desk.said() if m is not result and m["ts"] != result["ts"]} == {result["ts"]}


async def test_a_mention_in_a_thread_keeps_everything_in_that_thread(desk: Desk, start: Starting) -> None:
    await started(start)
    root = await asyncio.to_thread(desk.slack.say, "the shop is down")
    await asyncio.to_thread(desk.slack.mention, CLIENT, thread=root)
    await one_result(desk)
    assert {m["thread_ts"] for m in desk.said()} == {root}


async def test_the_again_button_answers_in_the_thread_of_its_message(desk: Desk, start: Starting) -> None:
    await started(start)
    await asyncio.to_thread(desk.slack.command, CLIENT)
    first = await one_result(desk)
    await asyncio.to_thread(desk.slack.click, first, "netcheck_run")
    await until(lambda: len(desk.results()) == 2)
    assert desk.results()[1]["thread_ts"] == first["ts"]


@pytest.mark.parametrize("kind", [Kind.DELAYED, Kind.ANSWER_LOST])
async def test_a_bot_that_is_killed_while_it_posts_loses_no_job_and_doubles_none(desk: Desk, start: Starting, kind: Kind) -> None:
    bot, _ = await started(start)
    desk.slack.fail(Fault("chat.postMessage", kind, seconds=2.0))
    if kind is Kind.ANSWER_LOST:
        desk.slack.fail(Fault("chat.postMessage", Kind.DELAYED, seconds=2.0))  # the bot's second try
    before = await desk.jobs.last_of(desk.slack.workspace.alice)
    await asyncio.to_thread(desk.slack.command, CLIENT)

    async def intended() -> bool:
        newest = await desk.jobs.last_of(desk.slack.workspace.alice)
        return newest is not None and (before is None or newest.job.id != before.job.id)

    await until(intended)
    if kind is Kind.ANSWER_LOST:
        await until(desk.said)
    bot.kill()
    await one_result(desk)
    orphans = [m for m in desk.said() if m not in desk.results() and not m.get("thread_ts")]
    assert all("queued" in m["text"] for m in orphans)
    await until(lambda: [m for m in desk.said() if desk.slack.workspace.alice in m["text"]])  # it took long: who asked is named


async def test_a_command_whose_bot_is_killed_right_after_its_acknowledgement_has_one_result(desk: Desk, start: Starting) -> None:
    bot, _ = await started(start)
    desk.slack.fail(Fault("conversations.info", Kind.DELAYED, seconds=30.0))
    await asyncio.to_thread(desk.slack.command, CLIENT)
    await until(lambda: "event=asked" in bot.log.read_text())
    bot.kill()
    desk.slack.heal()  # it may have been killed just before it asked
    assert not desk.said()
    await asyncio.to_thread(start, "bot")
    await one_result(desk)
    assert len([m for m in desk.said() if not m.get("files")]) == 1


async def test_a_bot_that_is_asked_to_end_places_what_was_asked_first(desk: Desk, start: Starting) -> None:
    bot, _ = await started(start)
    desk.slack.fail(Fault("chat.postMessage", Kind.DELAYED, seconds=1.0))
    await asyncio.to_thread(desk.slack.command, CLIENT)
    bot.signal(signal.SIGTERM)
    await one_result(desk)
    assert len([m for m in desk.said() if not m.get("files")]) == 1


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("pod hello-world; rm -rf /", "❌"),
        ("pod no-such-pod", "❔"),
        ("pod “client”", "✅"),
        ("pod client —raw=addr", "✅"),
    ],
)
async def test_each_input_gets_its_answer(desk: Desk, start: Starting, text: str, answer: str) -> None:
    await started(start)
    await asyncio.to_thread(desk.slack.command, text)
    await until(lambda: [m for m in desk.said() if m["text"].startswith(answer)])
    assert "<!" not in str(desk.said())
