"""The bot on a real Slack stand-in and a real Redis: every way in, bad input, repeated deliveries, bad days."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr

from bot import service
from bot.settings import BotSettings
from deploy.lab.slack import Fault, Kind, SlackStandIn
from tests.queue_parts import wait_until_ended
from tests.slack.parts import POST, of_the_bot, until
from tests.unit.conftest import RedisPlace
from workers.audit.store import Store
from workers.jobs import Jobs, State, Status
from workers.queue.embedded import Embedded

POD = "pod hello-world"


@dataclass(frozen=True)
class Bot:
    """A running bot, its queue and its workspace."""

    slack: SlackStandIn
    jobs: Jobs
    url: str

    async def does(self, act: Callable[..., object], *args: Any, **more: Any) -> Any:
        return await asyncio.to_thread(lambda: act(*args, **more))

    async def queued(self, count: int = 1) -> tuple[Status, ...]:
        """Alice's jobs, as soon as so many are queued."""
        found: list[Status] = []

        async def there() -> bool:
            recent = await self.jobs.recent(self.slack.workspace.alice)
            found[:] = [status for status in recent if status.state is State.QUEUED]
            return len(found) >= count

        await until_so(there)
        return tuple(found)

    async def said(self, part: str, channel: str = "") -> dict[str, Any]:
        """The bot's message with these words, as soon as it is there."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [m for m in of_the_bot(self.slack, channel) if part in m.get("text", "")]
            return bool(found)

        await until(there)
        return found[0]


def settings_of(slack: SlackStandIn, place: RedisPlace, url: str = "", **more: Any) -> BotSettings:
    return BotSettings(
        redis_url=SecretStr(url or place.url),
        redis_tag=place.tag,
        job_key_file=place.key_file,
        data_dir=place.key_file.parent,
        cluster="lab",
        slack_bot_token=SecretStr(slack.workspace.bot_token),
        slack_api_url=slack.api_url,
        bot_listen="127.0.0.1:0",
        **more,
    )


async def until_so(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):  # a new bot has to start, perhaps beside other tests
        while not await true():  # noqa: ASYNC110  (other processes have no event to wait for)
            await asyncio.sleep(0.01)


async def ready(url: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
        return answer.status == 200


@asynccontextmanager
async def running(slack: SlackStandIn, place: RedisPlace, settings: BotSettings) -> AsyncIterator[Bot]:
    heard: list[str] = []
    jobs = place.jobs()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(jobs.aclose)
        await service.running(settings, heard.append, stack)
        if settings.slack_app_token:
            await until_so(lambda: ready(heard[0]))
        yield Bot(slack, jobs, heard[0])


@pytest_asyncio.fixture
async def bot(slack: SlackStandIn, redis_place: RedisPlace) -> AsyncIterator[Bot]:
    """By Socket Mode."""
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token)
    async with running(slack, redis_place, settings) as it:
        yield it


@pytest_asyncio.fixture
async def http_bot(slack_http: SlackStandIn, redis_place: RedisPlace) -> AsyncIterator[Bot]:
    """By signed HTTP."""
    settings = settings_of(slack_http, redis_place, slack_signing_secret=slack_http.workspace.signing_secret)
    async with running(slack_http, redis_place, settings) as it:
        slack_http.deliver_to(f"{it.url}/slack/events")
        yield it


@pytest.fixture(params=["socket", "http"])
def either(request: pytest.FixtureRequest) -> Bot:
    """Both ways in, one after the other."""
    found: Bot = request.getfixturevalue("bot" if request.param == "socket" else "http_bot")
    return found


# Ways in


async def test_a_slash_command_becomes_a_message_in_the_channel_and_a_job(either: Bot) -> None:
    await either.does(either.slack.command, POD)
    (status,) = await either.queued()
    (message,) = of_the_bot(either.slack)
    assert (status.ts, "thread_ts" in message) == (message["ts"], False)
    assert "queued" in message["text"]
    assert status.job.id in message["text"]
    job = status.job
    assert (job.command, job.cluster, job.channel.id) == ("pod", "lab", either.slack.workspace.incidents)
    assert (job.channel.shared, job.requester.standing, job.channel.thread) == (False, "member", None)


async def test_a_mention_is_answered_in_a_thread_under_it(either: Bot) -> None:
    asked = await either.does(either.slack.mention, POD)
    (status,) = await either.queued()
    (message,) = of_the_bot(either.slack)
    assert message["thread_ts"] == status.job.channel.thread == asked


async def test_a_mention_in_a_thread_is_answered_in_that_thread(either: Bot) -> None:
    root = await either.does(either.slack.say, "it is broken")
    await either.does(either.slack.mention, POD, thread=root)
    await either.queued()
    assert [m["thread_ts"] for m in of_the_bot(either.slack)] == [root]


async def test_a_button_runs_what_it_says_in_the_thread_of_its_message(either: Bot) -> None:
    await either.does(either.slack.command, POD)
    (status,) = await either.queued()
    message = (await asyncio.to_thread(of_the_bot, either.slack))[0]
    button = {"type": "button", "action_id": "netcheck_run-1", "value": "pods in default"}
    with_button = {**message, "blocks": [{"type": "actions", "block_id": "b", "elements": [button]}]}
    await either.does(either.slack.click, with_button, "netcheck_run-1")
    newest, _ = await either.queued(2)
    assert (newest.job.command, newest.job.channel.thread) == ("pods", status.ts)


async def test_the_cancel_button_cancels_the_job_of_its_message(either: Bot) -> None:
    await either.does(either.slack.command, POD)
    (status,) = await either.queued()
    (message,) = of_the_bot(either.slack)
    await either.does(either.slack.click, message, "netcheck_cancel")
    await either.said("cancel")
    assert (await either.jobs.status(status.job.id)).cancelled_by == either.slack.workspace.alice


async def test_nothing_but_the_command_is_help(either: Bot) -> None:
    await either.does(either.slack.command, "")
    message = await either.said("What you can ask here")
    assert (message["subtype"], message["ephemeral_to"]) == ("ephemeral", either.slack.workspace.alice)


async def test_again_makes_another_job_of_the_same_command(bot: Bot) -> None:
    await bot.does(bot.slack.command, "pods in all")
    await bot.queued()
    await bot.does(bot.slack.command, "again")
    jobs = await bot.queued(2)
    assert {status.job.words["namespace"] for status in jobs} == {"all"}
    assert len({status.job.id for status in jobs}) == 2


# Bad input


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


# Policy


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


# Repeated deliveries


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


# Bad days


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


# Signed HTTP


def signed(secret: str, body: str, at: float) -> dict[str, str]:
    stamp = str(int(at))
    code = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    form = "application/x-www-form-urlencoded"
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={code}", "Content-Type": form}


def form(bot: Bot) -> str:
    fields = {
        "command": "/netcheck", "text": POD, "user_id": bot.slack.workspace.alice, "team_id": bot.slack.workspace.team,
        "channel_id": bot.slack.workspace.incidents, "trigger_id": "1.2.3", "response_url": f"{bot.slack.page_url}_hooks/none",
    }  # fmt: skip
    return urllib.parse.urlencode(fields)


@pytest.mark.parametrize(
    ("secret", "age"), [("another-secret", 0), ("lab-signing-secret", 600), ("lab-signing-secret", -600), ("", 0)]
)
async def test_a_forged_or_an_old_request_is_refused(http_bot: Bot, secret: str, age: int) -> None:
    body = form(http_bot)
    async with aiohttp.ClientSession() as http:
        url = f"{http_bot.url}/slack/events"
        answer = await http.post(url, data=body, headers=signed(secret, body, time.time() - age))
        assert answer.status == 401
        assert (await http.post(url, data=body)).status == 401
    assert not await http_bot.jobs.recent(http_bot.slack.workspace.alice)


async def test_a_request_with_the_right_signature_is_taken_once_however_often_it_comes(http_bot: Bot) -> None:
    body = form(http_bot)
    async with aiohttp.ClientSession() as http:
        for number in range(3):
            headers = {**signed("lab-signing-secret", body, time.time()), "X-Slack-Retry-Num": str(number)}
            answer = await http.post(f"{http_bot.url}/slack/events", data=body, headers=headers)
            assert (answer.status, await answer.text()) == (200, "")
    await http_bot.queued()
    await asyncio.sleep(0.2)
    assert len(of_the_bot(http_bot.slack)) == 1


async def test_a_delivery_that_is_not_understood_is_acknowledged_and_nothing_else(http_bot: Bot) -> None:
    event = {"type": "app_mention", "bot_id": "B1", "text": "pod web", "ts": "1.0", "channel": http_bot.slack.workspace.incidents}
    body = json.dumps({"type": "event_callback", "event_id": "Ev1", "team_id": http_bot.slack.workspace.team, "event": event})
    headers = {**signed("lab-signing-secret", body, time.time()), "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as http:
        assert (await http.post(f"{http_bot.url}/slack/events", data=body, headers=headers)).status == 200
    assert not of_the_bot(http_bot.slack)


async def test_without_a_signing_secret_there_is_no_way_in_by_http(bot: Bot) -> None:
    async with aiohttp.ClientSession() as http:
        answer = await http.post(f"{bot.url}/slack/events", data="", headers=signed("", "", time.time()))
    assert answer.status == 404


# What is logged and measured


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
