"""Bots that are killed after they acknowledged a command: the next one serves it, once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.asked import Asked
from bot.delivered import dumps
from deploy.lab.roles import Role
from deploy.lab.slack import Fault, Kind, SlackStandIn
from tests.queue_parts import wait_until_ended
from tests.slack.parts import POST, of_the_bot, until
from tests.slack.running_bot import running, settings_of, until_so
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.jobs import Jobs, State
from workers.queue.embedded import Embedded
from workers.queue.server import ANSWER_S

Starting = Callable[[], Role]
LOOKED_UP = "conversations.info"


@pytest.fixture
def start(slack_http: SlackStandIn, redis_place: RedisPlace, tmp_path: Path) -> Iterator[Starting]:
    """Starts bots that take signed HTTP, each in place of the one before; they end with the test."""
    roles: list[Role] = []
    settings = {
        **{name: value for name, value in slack_http.settings().items() if name != "NETCHECK_SLACK_APP_TOKEN"},
        "NETCHECK_REDIS_URL": redis_place.url,
        "NETCHECK_REDIS_TAG": redis_place.tag,
        "NETCHECK_JOB_KEY_FILE": str(redis_place.key_file),
        "NETCHECK_DATA_DIR": str(tmp_path),
        "NETCHECK_CLUSTER": "lab",
    }

    def started() -> Role:
        role = Role("bot", settings, tmp_path, len(roles) + 1)
        roles.append(role)
        role.await_ready()
        slack_http.deliver_to(f"{role.url}/slack/events")
        return role

    yield started
    for role in roles:
        role.kill()


async def acknowledged(slack: SlackStandIn, act: Callable[..., object], *args: str) -> None:
    """Somebody does it, and the bot has acknowledged that."""

    def count() -> int:
        return len([call for call in slack.calls("delivery") if call.status == 200])

    before = await asyncio.to_thread(count)
    await asyncio.to_thread(act, *args)
    await until(lambda: count() > before)


async def until_queued(jobs: Jobs, user: str, count: int) -> None:
    async def queued() -> bool:
        return [status.state for status in await jobs.recent(user, 50)] == [State.QUEUED] * count

    await until_so(queued)


async def test_commands_make_one_job_each_whenever_their_bot_is_killed(
    slack_http: SlackStandIn, start: Starting, jobs: Jobs
) -> None:
    chance, alice, count = random.Random(0), slack_http.workspace.alice, 6  # noqa: S311  (no secret)
    for method in (LOOKED_UP, POST):
        slack_http.fail(Fault(method, Kind.DELAYED, times=count, seconds=0.1))
    for number in range(count):
        bot = await asyncio.to_thread(start)
        await acknowledged(slack_http, slack_http.command, f"pod web-{number}")
        await asyncio.sleep(chance.uniform(0, 0.25))
        bot.kill()
    await asyncio.to_thread(start)
    await until_queued(jobs, alice, count)
    found = await jobs.recent(alice, 50)
    assert {status.job.words["pod"] for status in found} == {f"web-{number}" for number in range(count)}
    said = of_the_bot(slack_http)
    assert {status.ts for status in found} <= {message["ts"] for message in said}
    assert all("queued" in message["text"] for message in said)  # those whose ts was never stored say no more


async def test_a_mention_whose_bot_is_killed_while_it_looks_people_up_is_not_lost(
    slack_http: SlackStandIn, start: Starting, jobs: Jobs
) -> None:
    slack_http.fail(Fault(LOOKED_UP, Kind.DELAYED, seconds=30))
    bot = await asyncio.to_thread(start)
    await acknowledged(slack_http, slack_http.mention, "pod web")
    bot.kill()
    slack_http.heal()  # it may have been killed just before it asked
    assert not await jobs.recent(slack_http.workspace.alice)
    await asyncio.to_thread(start)
    await until_queued(jobs, slack_http.workspace.alice, 1)
    assert len(of_the_bot(slack_http)) == 1


async def test_what_makes_no_job_is_answered_too_and_to_the_person_alone(slack_http: SlackStandIn, start: Starting) -> None:
    slack_http.fail(Fault(LOOKED_UP, Kind.DELAYED, seconds=30))
    bot = await asyncio.to_thread(start)
    await acknowledged(slack_http, slack_http.command, "pood web")
    bot.kill()
    slack_http.heal()  # it may have been killed just before it asked
    assert not of_the_bot(slack_http)
    await asyncio.to_thread(start)
    await until(lambda: of_the_bot(slack_http))
    (answer,) = of_the_bot(slack_http)
    assert ("Did you mean" in answer["text"], answer["subtype"]) == (True, "ephemeral")


async def test_what_a_killed_bot_had_begun_is_not_done_twice_and_what_no_bot_kept_is_not_done(
    slack: SlackStandIn, redis_place: RedisPlace
) -> None:
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token)
    async with running(slack, redis_place, settings) as bot:
        await bot.does(slack.command, "pod web")
        (status,) = await bot.queued()
        thread = await bot.does(slack.say, "it is broken")
        cancel = Asked("mention", "cancel", slack.workspace.alice, slack.workspace.incidents, thread, "event:killed")
        made_up = Asked("mention", "cancel", slack.workspace.alice, slack.workspace.incidents, thread, "event:made-up")
        await bot.jobs.first_time(f"{cancel.delivery}:command")
        await bot.jobs.inbox(seal.read(redis_place.key_file)).keep(made_up.delivery, dumps(made_up))
        await bot.jobs.inbox(settings.voices()).keep(cancel.delivery, dumps(cancel))
        assert (await bot.said("stopped in the middle"))["thread_ts"] == thread
        await until_so(lambda: empty(bot.jobs))
        assert (await bot.jobs.status(status.job.id)).cancelled_by == ""


async def test_a_redis_that_hangs_does_not_keep_slack_waiting(
    slack_http: SlackStandIn, redis_place: RedisPlace, tmp_path: Path
) -> None:
    redis = Embedded(tmp_path)
    await redis.start()
    place = RedisPlace(redis.url, redis_place.key_file, redis_place.tag)
    settings = settings_of(slack_http, place, slack_signing_secret=slack_http.workspace.signing_secret)
    async with running(slack_http, place, settings) as bot:
        slack_http.deliver_to(f"{bot.url}/slack/events")
        server = int((await bot.jobs.server.command("INFO", "server"))["process_id"])
        os.kill(server, signal.SIGSTOP)
        try:
            async with asyncio.timeout(ANSWER_S):
                await acknowledged(slack_http, slack_http.command, "pod web")
            assert "Redis" in (await bot.said("does not answer"))["text"]
        finally:
            os.kill(server, signal.SIGCONT)
        await until_so(lambda: empty(bot.jobs))
    redis.stop()
    await asyncio.to_thread(wait_until_ended, tmp_path)


async def empty(jobs: Jobs) -> bool:
    return not await jobs.server.command("EXISTS", jobs.keys.inbox)
