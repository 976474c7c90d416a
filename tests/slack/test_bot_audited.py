"""What the bot logs, audits and measures of what was asked: ids and what was understood, no words and no secret."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.slack.running_bot import POD, Bot
from workers.audit.store import Store


async def test_logs_have_the_trace_and_no_words_of_anybody(bot: Bot, capsys: pytest.CaptureFixture[str]) -> None:
    await bot.does(bot.slack.command, POD)
    (status,) = await bot.queued()
    out, err = capsys.readouterr()
    logged = out + err
    assert status.job.trace in logged
    for secret in ("hello-world", bot.slack.workspace.bot_token, bot.slack.workspace.app_token, "_hooks/response"):
        assert secret not in logged


async def audited(bot: Bot) -> str:
    """Every entry, as it lies in Redis."""
    store = Store(bot.jobs.server, bot.jobs.keys, 90)
    return "\n".join([raw.decode() for writer in await store.writers() for raw in await store.chain(writer.name)])


async def test_what_was_asked_is_audited_by_ids_and_as_it_was_understood(bot: Bot) -> None:
    await bot.does(bot.slack.command, "po   hello-world in “Shop”")
    (status,) = await bot.queued()
    opened, policy, command, decision = (await audited(bot)).splitlines()
    assert ('"kind":"opened"' in opened, '"source":"built-in policy.toml"' in policy) == (True, True)
    for part in ('"kind":"command"', '"line":"pod shop/hello-world"', status.job.requester.user, status.job.trace):
        assert part in command
    for part in ('"kind":"decision"', f'"subject":"{status.job.id}"', "rule 'members may look and probe'", status.job.channel.id):
        assert part in decision


async def test_the_audit_has_no_words_that_were_not_understood_and_no_secret(bot: Bot) -> None:
    typed = "secret-of-mine; xoxb-123456789-abcdef"
    await bot.does(bot.slack.command, typed)
    await bot.said("")
    await bot.does(bot.slack.command, "dns xoxb-123456789-abcdef from web")
    await bot.queued()
    kept = await audited(bot)
    assert '"understood":"no"' in kept
    assert "(a token)" in kept
    for part in (
        "secret-of-mine",
        "123456789",
        bot.slack.workspace.bot_token,
        bot.slack.workspace.app_token,
        "hooks/",
        "trigger",
    ):
        assert part not in kept


async def test_who_was_refused_is_audited_with_the_reason(bot: Bot) -> None:
    await bot.does(bot.slack.command, POD, user=bot.slack.workspace.guest)
    await bot.said("no rule names you")
    async with asyncio.timeout(20):
        while '"kind":"refusal"' not in (kept := await audited(bot)):  # noqa: ASYNC110  (Redis has no event for it)
            await asyncio.sleep(0.01)
    assert "no rule names you" in kept


async def test_metrics_count_what_was_asked(bot: Bot) -> None:
    await bot.does(bot.slack.command, POD)
    await bot.queued()
    async with aiohttp.ClientSession() as http:
        said = await (await http.get(f"{bot.url}/metrics")).text()
    assert 'netcheck_asked_total{outcome="queued",way="command"}' in said
    assert "netcheck_ack_seconds_bucket" in said
    assert 'netcheck_slack_calls_total{method="chat.postMessage",outcome="ok"}' in said
