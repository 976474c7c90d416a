"""`help` and `whoami`: what the person may use here, to what they agree, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.plain_parts import AGREED, ANN, ENTRIES, HERE, Bot, Queue, job
from workers.catalogue import catalogue
from workers.check import Access
from workers.errors import UsageError
from workers.job import Channel, Requester
from workers.policy.rules import Defaults


async def test_help_lists_what_the_person_may_use_here() -> None:
    said = await Bot(rules=AGREED).say("help")
    assert [name for name in ENTRIES if f"`{name}" not in said] == []
    assert "`pod POD [raw=addr|route|neigh|sockets]`" in said


async def test_help_hides_what_the_person_may_not_use_and_says_so() -> None:
    said = await Bot(who=Requester("U0GUEST", "T0OWN", (), "guest"), rules=AGREED).say("help")
    shown = {name for name in ENTRIES if f"`{name}" in said}
    assert shown == {"again", "cancel", "help", "jobs", "whoami"}
    assert f"{len(ENTRIES) - len(shown)} more that you may not use here" in said
    assert "`whoami`" in said


@pytest.mark.parametrize(
    ("who", "channel", "shown"),
    [
        (ANN, HERE, {"approvals", "approve", "reject", "confirm", "withdraw", "undo", "set"}),
        (Requester("U0BOB", "T0OWN", (), "member"), HERE, {"approvals", "approve", "reject", "confirm", "withdraw", "undo"}),
        (Requester("U0EVE", "T0OWN", (), "member"), HERE, set()),
        (Requester("U0BOB", "T0OWN", (), "guest"), HERE, set()),
        (ANN, Channel("C0ANY", shared=True), set()),
    ],
)
async def test_help_shows_changes_to_who_may_ask_for_them_or_agree(who: Requester, channel: Channel, shown: set[str]) -> None:
    change = replace(catalogue()["nodes"], name="set", access=Access.CHANGE)
    bot = Bot(who=who, channel=channel, rules=AGREED)
    said = await bot.say("help", ENTRIES | {"set": change})
    about = ("approvals", "approve", "reject", "confirm", "withdraw", "undo", "set")
    assert {name for name in about if f"`{name}`" in said or f"`{name} " in said} == shown


async def test_a_change_that_nobody_can_agree_to_is_not_offered() -> None:
    change = replace(catalogue()["nodes"], name="set", access=Access.CHANGE)
    bot = Bot(rules=replace(AGREED, approvals=()))
    assert "`set`" not in await bot.say("help", ENTRIES | {"set": change})
    assert "⛔ *CHANGE* changes a node: rule 'ann' grants CHANGE, but no [[approval]] rule says who could agree" in await bot.say(
        "whoami"
    )


async def test_whoami_says_to_what_the_person_is_asked_to_agree() -> None:
    said = await Bot(rules=AGREED).say("whoami")
    assert "You are asked to agree to changes under `set in the lab`" in said
    assert "You may go ahead alone, before everybody's eyes, under `set in the lab`" in said


async def test_where_others_read_whoami_and_jobs_name_nothing() -> None:
    shared = Channel("C0ANY", shared=True)
    bot = Bot(Queue((job("j-1"),)), channel=shared, rules=replace(AGREED, channels={"C0ANY": Defaults("lab", "shop", "toolbox")}))
    said = await bot.say("whoami") + await bot.say("jobs")
    assert [word for word in ("shop", "toolbox", "`lab`", "web") if word in said] == []
    assert "`pod`" in said


async def test_help_explains_one_command() -> None:
    said = await Bot().say("help pod")
    assert "*Usage:* `pod POD [raw=addr|route|neigh|sockets]`" in said
    assert "`pod hello-world`" in said
    assert "✅ you may use it here: rule 'members may look and probe' grants READ" in said


async def test_help_for_a_mistyped_command_suggests_the_nearest() -> None:
    with pytest.raises(UsageError) as e:
        await Bot().say("help pdo")
    assert e.value.nearest == ("pod",)


async def test_whoami_gives_every_access_with_its_reason() -> None:
    said = await Bot().say("whoami")
    assert "You are `U0ANN`, a member of this workspace, in the team `T0OWN`" in said
    assert "This channel is `C0ANY`, not shared; commands mean the cluster `lab`" in said
    assert "✅ *PROBE* sends packets: rule 'members may look and probe' grants PROBE" in said
    assert "⛔ *CHANGE* changes a node: no rule grants you CHANGE (changes a node) in this channel" in said
