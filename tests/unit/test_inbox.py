"""Deliveries that are not served yet: given to one process when their own has died, written and read by bots alone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from bot.acts import About
from bot.asked import Asked
from bot.delivered import Delivered, dumps, lasts, loads
from bot.pressed import Entered, Pressed
from tests.unit.conftest import RedisPlace
from workers.jobs import Jobs, Server
from workers.queue import inbox as inboxes
from workers.queue.inbox import Inbox, Kept
from workers.seal import Forged, Key, Seal

VOICES = Seal((Key("new", b"v" * 32), Key("old", b"o" * 32)))
SAID = b"a password, and https://hooks.slack.com/commands/1"


@pytest_asyncio.fixture
async def inbox(jobs: Jobs) -> Inbox:
    return jobs.inbox(VOICES)


@pytest_asyncio.fixture
async def redis(redis_place: RedisPlace) -> AsyncIterator[Server]:
    async with contextlib.aclosing(redis_place.server()) as server:
        yield server


async def test_what_was_kept_is_given_to_one_and_to_the_next_one_if_that_dies_too(inbox: Inbox, jobs: Jobs) -> None:
    assert await inbox.keep("command:1", SAID)
    assert await inbox.lapsed(60) == ()
    assert await inbox.lapsed(0) == (Kept("command:1", SAID),)
    assert await jobs.inbox(VOICES).lapsed(60) == ()
    assert await jobs.inbox(VOICES).lapsed(0) == (Kept("command:1", SAID),)


async def test_what_is_held_is_nobody_elses(inbox: Inbox, jobs: Jobs) -> None:
    for delivery in ("1", "2"):
        await inbox.keep(delivery, SAID)
        await jobs.server.command("ZADD", jobs.keys.inbox, 1, delivery)
    await inbox.hold(["1", "served before"])
    assert [kept.delivery for kept in await inbox.lapsed(60)] == ["2"]


async def test_what_was_served_is_gone(inbox: Inbox, redis: Server, jobs: Jobs) -> None:
    for delivery in ("1", "2"):
        await inbox.keep(delivery, SAID)
    await inbox.served("1", "2", "never there")
    assert await inbox.lapsed(0) == ()
    assert await redis.command("KEYS", f"{{{jobs.keys.tag}}}:*") == []


async def test_what_comes_again_is_known_to_be_kept(inbox: Inbox) -> None:
    assert [await inbox.keep("1", SAID), await inbox.keep("1", b"another")] == [True, False]
    assert [kept.said for kept in await inbox.lapsed(0)] == [SAID]


async def test_what_is_stale_is_dropped(inbox: Inbox, redis: Server, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    await inbox.keep("expired", SAID)
    assert 0 < await redis.command("TTL", jobs.keys.kept("expired")) <= inboxes.KEPT_S
    await redis.command("DEL", jobs.keys.kept("expired"))
    await inbox.keep("put there again by somebody", SAID)
    monkeypatch.setattr(inboxes, "KEPT_S", -1)
    assert await inbox.lapsed(0) == ()
    assert await redis.command("EXISTS", jobs.keys.inbox) == 0


async def test_a_forged_delivery_is_dropped_whoever_made_it(inbox: Inbox, redis: Server, jobs: Jobs) -> None:
    await inbox.keep("mine", SAID)
    of_a_worker = jobs.inbox(Seal((Key("new", b"j" * 32),)))
    await of_a_worker.keep("of who has the job key", SAID)
    copied = await redis.command("GET", jobs.keys.kept("mine"))
    for delivery, hidden in {
        "copied": copied,
        "bare": SAID,
        "sealed only": VOICES.close("delivery", "sealed only", SAID),
    }.items():
        await redis.command("SET", jobs.keys.kept(delivery), hidden)
        await redis.command("ZADD", jobs.keys.inbox, 1, delivery)
    await redis.command("ZADD", jobs.keys.inbox, 1, b"\xff\xfe")
    assert [kept.delivery for kept in await inbox.lapsed(0)] == ["mine"]
    assert await redis.command("ZCARD", jobs.keys.inbox) == 1


async def test_nobody_reads_it_in_redis(inbox: Inbox, redis: Server, jobs: Jobs) -> None:
    await inbox.keep("1", SAID)
    hidden = await redis.command("GET", jobs.keys.kept("1"))
    assert b"password" not in hidden
    assert b"hooks" not in hidden


@given(st.text(), st.binary(), st.binary())
def test_what_is_hidden_is_shown_for_its_subject_with_any_of_the_keys_and_not_too_late(
    subject: str, data: bytes, noise: bytes
) -> None:
    before = Seal((Key("old", b"o" * 32),)).hide("delivery", subject, data)
    assert VOICES.show("delivery", subject, before, 60) == VOICES.show(
        "delivery", subject, VOICES.hide("delivery", subject, data), 60
    )
    for other, hidden, seconds in ((subject + "x", before, 60), (subject, before, -1), (subject, noise, 60)):
        with pytest.raises(Forged):
            VOICES.show("delivery", other, hidden, seconds)


TEXT = st.text()
ASKED = st.builds(Asked, st.sampled_from(["command", "mention", "button"]), TEXT, TEXT, TEXT, st.none() | TEXT, TEXT, TEXT)
ABOUT = st.builds(About, TEXT, st.sampled_from(["approve", "reject", "undo"]), TEXT, TEXT)
ENTERED = st.builds(Entered, ABOUT, TEXT, TEXT, TEXT)
PRESSED = st.builds(Pressed, st.none() | st.just("approve"), TEXT, TEXT, TEXT, st.none() | TEXT, TEXT, TEXT, TEXT)


@given(ASKED | ENTERED | PRESSED)
def test_a_delivery_is_read_as_it_was_written(delivered: Delivered) -> None:
    assert loads(dumps(delivered)) == delivered


@pytest.mark.parametrize(
    "data", [b"", b"1", b"[]", b'["asked", {}]', b'["voice", {}]', b'[["asked"], {}]', b'["asked", {"way": 1}]', b"\xff"]
)
def test_what_another_version_wrote_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(data)


def test_a_click_that_opens_a_modal_is_of_no_use_later() -> None:
    click = Pressed("approve", "a1", "U1", "C1", None, "trigger", "D1", "")
    assert not lasts(click)
    assert lasts(Pressed(None, "code", "U1", "C1", None, "trigger", "D1", ""))
