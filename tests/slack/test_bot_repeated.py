"""What is delivered more than once is done once, and nobody has too many jobs."""

from __future__ import annotations

import asyncio

import pytest

from deploy.lab.slack import Fault, Kind
from tests.slack.parts import of_the_bot, until
from tests.slack.running_bot import POD, Bot, running, settings_of
from tests.unit.conftest import RedisPlace


async def test_a_delivery_that_slack_repeats_makes_one_job_and_one_message(either: Bot) -> None:
    either.slack.fail(Fault("delivery", Kind.REPEATED, times=-1))
    await either.does(either.slack.command, POD)
    await either.queued()
    await either.does(either.slack.mention, "pod hello-world in default")
    await either.queued(2)
    await asyncio.sleep(0.3)
    assert len(of_the_bot(either.slack)) == 2
    assert len(await either.jobs.recent(either.slack.workspace.alice)) == 2


@pytest.mark.parametrize(
    ("text", "user", "part"), [("pood", "U0ALICE", "Did you"), (POD, "U0GUEST", "⛔"), ("whoami", "U0BOB", "Who")]
)
async def test_what_makes_no_job_is_said_once_for_a_delivery_that_slack_repeats(
    bot: Bot, text: str, user: str, part: str
) -> None:
    bot.slack.fail(Fault("delivery", Kind.REPEATED, times=-1))
    await bot.does(bot.slack.command, text, user=user)
    await bot.said(part)
    await asyncio.sleep(0.3)
    assert len(of_the_bot(bot.slack)) == 1


async def test_a_cancel_button_that_slack_repeats_cancels_one_job(bot: Bot) -> None:
    await bot.does(bot.slack.command, POD)
    await bot.does(bot.slack.command, "pods")
    await bot.queued(2)
    bot.slack.fail(Fault("delivery", Kind.REPEATED, times=-1))
    await bot.does(bot.slack.command, "cancel")
    await bot.said("cancel")
    await asyncio.sleep(0.3)
    recent = await bot.jobs.recent(bot.slack.workspace.alice)
    assert [bool(status.cancelled_by) for status in recent] == [True, False]


async def test_who_has_too_many_jobs_is_told_so_also_by_again(bot: Bot) -> None:
    for number in range(10):
        await bot.does(bot.slack.command, f"pod web-{number}")
    await bot.queued(10)
    await bot.does(bot.slack.command, POD)
    await bot.said("unfinished jobs")
    await bot.does(bot.slack.command, "again")
    await until(lambda: len([m for m in of_the_bot(bot.slack) if "unfinished jobs" in m["text"]]) == 2)
    assert len(await bot.jobs.recent(bot.slack.workspace.alice, 50)) == 10


async def test_two_bots_that_both_get_every_delivery_make_one_job(bot: Bot, redis_place: RedisPlace) -> None:
    settings = settings_of(bot.slack, redis_place, slack_app_token=bot.slack.workspace.app_token)
    async with running(bot.slack, redis_place, settings):
        for number in range(5):
            await bot.does(bot.slack.command, f"pod hello-world-{number}")
        await bot.queued(5)
        await asyncio.sleep(0.3)
    assert len(of_the_bot(bot.slack)) == 5
