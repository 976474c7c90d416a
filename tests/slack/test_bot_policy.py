"""Who may ask what where, by what Slack says of people and channels and by the policy file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import aiohttp

from deploy.lab.slack import Fault, Kind, SlackStandIn
from tests.slack.running_bot import POD, Bot, running, settings_of, until_so
from tests.unit.conftest import RedisPlace


async def test_guests_and_shared_channels_are_refused_with_the_reason(bot: Bot) -> None:
    await bot.does(bot.slack.command, POD, user=bot.slack.workspace.guest)
    assert "guest" in (await bot.said("⛔"))["text"]
    await bot.does(bot.slack.command, POD, channel=bot.slack.workspace.shared)
    assert "another organisation" in (await bot.said("⛔", bot.slack.workspace.shared))["text"]


async def test_a_channel_of_which_slack_says_nothing_counts_as_shared(bot: Bot) -> None:
    bot.slack.fail(Fault("conversations.info", Kind.SERVER_ERROR, times=-1))
    await bot.does(bot.slack.command, POD)
    assert "cannot be known" in (await bot.said("⛔"))["text"]


POLICY = """
version = 1
[[rule]]
name = "the platform group may look"
who = ["S0PLATFORM"]
may = ["READ"]
"""


async def test_an_edit_of_the_policy_holds_without_a_restart(
    slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.replace("S0PLATFORM", slack.workspace.bob))
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token, policy_file=policy)
    async with running(slack, redis_place, settings) as bot, aiohttp.ClientSession() as http:

        async def ready_with(text: str) -> bool:
            async with http.get(f"{bot.url}/readyz") as answer:
                return (answer.status, await answer.text()) == (200, text)

        await bot.does(slack.command, POD)
        assert "no rule names you" in (await bot.said("⛔"))["text"]
        policy.write_text("version = 3")
        wrong = f"Policy: {policy}:1: version: must be version = 1; the last good one is in force"
        await until_so(lambda: ready_with(f"ok\n{wrong}\n"))
        policy.write_text(POLICY)
        await until_so(lambda: ready_with("ok\n"))
        await bot.does(slack.command, POD)
        await bot.queued()


async def test_a_rule_for_a_user_group_is_for_those_in_it(slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token, policy_file=policy)
    async with running(slack, redis_place, settings) as bot:
        await bot.does(slack.command, POD, user=slack.workspace.bob)
        assert "no rule names you" in (await bot.said("⛔"))["text"]
        await bot.does(slack.command, POD)
        (status,) = await bot.queued()
        assert status.job.requester.groups == (slack.workspace.group,)


HOME = """
version = 1
[[rule]]
name = "everybody"
who = ["members"]
may = ["PROBE"]
[[channel]]
id = "{}"
pod = "shop/cart-1"
"""


async def test_a_channel_has_a_pod_from_which_its_questions_are_asked(
    slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(HOME.format(slack.workspace.incidents))
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token, policy_file=policy)
    async with running(slack, redis_place, settings) as bot:
        await bot.does(slack.command, "dns web")
        (status,) = await bot.queued()
        assert status.job.words == {"name": "web", "pod": "shop/cart-1"}


def test_policy_explains_what_slack_says_of_people_and_channels(slack: SlackStandIn) -> None:
    workspace = slack.workspace
    env = {"NETCHECK_SLACK_BOT_TOKEN": workspace.bot_token, "NETCHECK_SLACK_API_URL": slack.api_url}

    def explained(user: str, channel: str) -> tuple[int, str]:
        words = [sys.executable, "-m", "bot", "policy", "explain", user, channel, "pods"]
        done = subprocess.run(words, env=os.environ | env, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout.partition("\n")[0]

    assert explained(workspace.alice, workspace.incidents) == (0, "allowed: rule 'members may look and probe' grants READ")
    assert "you are a guest here" in explained(workspace.guest, workspace.incidents)[1]
    assert "another organisation" in explained(workspace.alice, workspace.shared)[1]
