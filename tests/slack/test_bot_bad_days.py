"""Slack that fails, Redis that goes away and a bot that stops: no job is lost, and the person is told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from bot import service
from deploy.lab.slack import Fault, Kind, SlackStandIn
from tests.queue_parts import wait_until_ended
from tests.slack.parts import POST, of_the_bot, until
from tests.slack.running_bot import POD, Bot, ready, running, settings_of, until_so
from tests.unit.conftest import RedisPlace
from workers.jobs import State
from workers.queue.embedded import Embedded


@pytest.mark.parametrize("kind", [Kind.RATE_LIMITED, Kind.SERVER_ERROR, Kind.RESET, Kind.DELAYED])
async def test_a_slack_that_does_not_take_the_message_at_once_gets_it_later(bot: Bot, kind: Kind) -> None:
    bot.slack.fail(Fault(POST, kind, seconds=1))
    await bot.does(bot.slack.command, POD)
    (status,) = await bot.queued()
    assert [m["ts"] for m in of_the_bot(bot.slack)] == [status.ts]


async def test_an_answer_that_is_lost_leaves_one_job_and_a_neutral_orphan(bot: Bot) -> None:
    bot.slack.fail(Fault(POST, Kind.ANSWER_LOST))
    await bot.does(bot.slack.command, POD)
    (status,) = await bot.queued()
    orphan, placed = of_the_bot(bot.slack)
    assert placed["ts"] == status.ts
    assert orphan["text"] == placed["text"]


async def test_without_redis_the_person_is_told_at_once(slack: SlackStandIn, redis_place: RedisPlace) -> None:
    settings = settings_of(slack, redis_place, "redis://127.0.0.1:9/0", slack_app_token=slack.workspace.app_token)
    heard: list[str] = []
    async with AsyncExitStack() as stack:
        await service.running(settings, heard.append, stack)
        async with aiohttp.ClientSession() as http:
            answer = await http.get(f"{heard[0]}/readyz")
            assert (answer.status, "Redis" in await answer.text()) == (503, True)
            assert (await http.get(f"{heard[0]}/healthz")).status == 200
        await until(lambda: slack.calls("apps.connections.open"))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(slack.command, POD)
        await until(lambda: [m for m in of_the_bot(slack) if "Redis" in m["text"]])
    assert [m["subtype"] for m in of_the_bot(slack)] == ["ephemeral"]


async def test_redis_that_goes_away_in_the_middle_loses_no_job(
    slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path
) -> None:
    redis = Embedded(tmp_path)
    await redis.start()
    slack.fail(Fault(POST, Kind.DELAYED, seconds=1.5))
    settings = settings_of(slack, redis_place, redis.url, slack_app_token=slack.workspace.app_token)
    place = RedisPlace(redis.url, redis_place.key_file, redis_place.tag)
    async with running(slack, place, settings) as bot:
        await bot.does(slack.command, POD)
        await until_so(lambda: intended(bot))
        redis.stop()
        await asyncio.to_thread(wait_until_ended, tmp_path)
        assert (await bot.said("went away"))["subtype"] == "ephemeral"
    again = Embedded(tmp_path)
    await again.start()
    jobs = RedisPlace(again.url, place.key_file, place.tag).jobs()
    assert [intent.job.command for intent in await jobs.overdue_intents(0)] == ["pod"]
    await jobs.aclose()
    again.stop()
    await asyncio.to_thread(wait_until_ended, tmp_path)


async def intended(bot: Bot) -> bool:
    return bool(await bot.jobs.recent(bot.slack.workspace.alice))


async def test_the_bot_comes_again_when_slack_sends_its_connection_away(bot: Bot) -> None:
    bot.slack.fail(Fault("apps.connections.open", Kind.SERVER_ERROR))
    bot.slack.disconnect()
    await until(lambda: len([c for c in bot.slack.calls("apps.connections.open") if c.status == 200]) > 1)
    await until_so(lambda: ready(bot.url))
    await bot.does(bot.slack.command, POD)
    await bot.queued()


async def test_what_was_asked_is_still_placed_while_the_bot_stops(slack: SlackStandIn, redis_place: RedisPlace) -> None:
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token)
    slack.fail(Fault(POST, Kind.DELAYED, seconds=1))
    async with running(slack, redis_place, settings) as bot:
        await bot.does(slack.command, POD)
    jobs = redis_place.jobs()
    assert [s.state for s in await jobs.recent(slack.workspace.alice)] == [State.QUEUED]
    await jobs.aclose()
