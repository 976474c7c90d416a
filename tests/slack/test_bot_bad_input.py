"""What the bot does not understand, or cannot answer where it was said, is told to the person and queues nothing."""

from __future__ import annotations

import json

import pytest

from deploy.lab.slack import Fault, Kind
from tests.slack.parts import POST
from tests.slack.running_bot import POD, Bot, until_so
from workers.jobs import State


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("pood hello-world", "Did you mean `pod"),
        ("pod", "Usage"),
        ("pod hello-world; rm -rf /", "❌"),
        ("pod <!channel>", "❌"),
        ("pod " + "x" * 10_000, "❌"),
        ("dns kubernetes type=XYZ", "Usage"),
    ],
)
async def test_what_cannot_be_understood_is_said_to_the_person_alone_and_queues_nothing(bot: Bot, text: str, part: str) -> None:
    await bot.does(bot.slack.command, text)
    message = await bot.said(part)
    assert message["subtype"] == "ephemeral"
    assert "<!channel>" not in json.dumps(message)
    assert not await bot.jobs.recent(bot.slack.workspace.alice)


async def test_a_mention_that_cannot_be_understood_is_answered_in_its_thread(bot: Bot) -> None:
    asked = await bot.does(bot.slack.mention, "pood hello-world")
    assert (await bot.said("Did you mean"))["thread_ts"] == asked


async def test_a_channel_without_the_bot_is_told_how_to_invite_it(bot: Bot) -> None:
    await bot.does(bot.slack.command, POD, channel=bot.slack.workspace.outside)
    message = await bot.said("/invite", bot.slack.workspace.outside)
    assert message["subtype"] == "ephemeral"
    assert not await bot.jobs.recent(bot.slack.workspace.alice)


async def test_a_bot_that_was_just_removed_from_the_channel_says_so_and_keeps_no_intent(bot: Bot) -> None:
    bot.slack.fail(Fault(POST, Kind.REFUSED, error="not_in_channel"))
    await bot.does(bot.slack.command, POD)
    assert (await bot.said("/invite"))["subtype"] == "ephemeral"
    await until_state(bot, State.REFUSED)
    assert (await bot.jobs.depth()).intended == 0


async def until_state(bot: Bot, state: State) -> None:
    async def there() -> bool:
        return [s.state for s in await bot.jobs.recent(bot.slack.workspace.alice)] == [state]

    await until_so(there)
