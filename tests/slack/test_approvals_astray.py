"""Approvals where something goes astray: forged or repeated words, strangers who read, an audit, a key or a bot that is gone."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from bot import service
from bot.acts import About
from bot.delivered import dumps
from bot.pressed import Entered
from deploy.lab.slack import SlackStandIn
from tests import approvals
from tests.slack.approver_office import POLICY, Office, office_in
from tests.slack.parts import of_the_bot, texts, until
from tests.slack.running_bot import ready, settings_of, until_so
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.jobs import Jobs


async def test_what_is_written_or_written_again_into_redis_decides_nothing(office: Office, redis_place: RedisPlace) -> None:
    it = await office.proposed()
    server, elsewhere = redis_place.server(), replace(redis_place, tag=f"{redis_place.tag}-caught")
    letters, board = office.jobs.keys.letters, office.jobs.keys.board
    caught = elsewhere.jobs()
    await caught.mail(office.settings.voices()).send(approvals.voice("approve", approvals.BOB, approvals.present(), name=it.id))
    ((_, voice),) = await server.command("XRANGE", caught.keys.letters, "-", "+")
    await caught.aclose()
    for _ in range(3):
        await server.command("XADD", letters, "*", *[part for pair in voice.items() for part in pair])
    await office.told("U0BOB", "1 of 2")
    forged = voice[b"letter"].replace(b"U0BOB", b"U0CAROL")
    for kind, letter in ((b"voice", forged), (b"voice", b"1.k.0.{}"), (b"grant", b"x"), (b"proposal", voice[b"letter"])):
        await server.command("XADD", letters, "*", "kind", kind, "letter", letter)
    await server.command("XADD", letters, "*", "nothing", "here")

    async def read() -> bool:
        return not await server.command("XLEN", letters)

    await until_so(read)
    assert "1 of 2 approved" in office.text(it)
    await server.command("MSET", board, b"1.k.0.{}", office.jobs.keys.beat, b"1.k.0.{}")
    await asyncio.sleep(0.1)
    for key in await server.command("KEYS", f"{{{redis_place.tag}}}:*"):
        if b":audit:" not in key:
            await server.command("DEL", key)
    await until_so(lambda: _shown(office))
    await office.says(it, "approve", "U0CAROL")
    await office.carrying()
    await server.aclose()


async def test_a_card_whose_channel_others_came_to_read_is_taken_back_and_so_is_what_follows(office: Office) -> None:
    it = await office.proposed()
    await office.says(it, "approve", "U0BOB")
    await office.card(it, "1 of 2")
    await office.jobs.channels.mark(office.slack.workspace.incidents, shared=True)
    card = await office.card(it, "Others may read this channel")
    assert not [word for word in ("node-one", "131072", "netcheck_act") if word in json.dumps(card)]
    before = len(of_the_bot(office.slack))
    await office.mail.send(approvals.voice("reject", approvals.CAROL, approvals.present(), "node-one is mine", name=it.id))
    await office.card(it, "rejected")
    await until(lambda: len(of_the_bot(office.slack)) > before)
    later = [m for m in of_the_bot(office.slack)[before:] if "ephemeral_to" not in m]
    assert "node-one" not in json.dumps([await office.card(it, "rejected"), *later])


async def test_without_its_audit_nothing_is_signed_and_the_card_says_why(office: Office, redis_place: RedisPlace) -> None:
    it = await office.proposed()
    server = redis_place.server()
    for key in await server.command("KEYS", f"{{{redis_place.tag}}}:audit:*"):
        await server.command("DEL", key)
    await server.aclose()
    for user in ("U0BOB", "U0CAROL"):
        await office.says(it, "approve", user)
    await office.card(it, "the audit has been tampered with")
    assert await office.mail.grant(it.id) is None


async def test_what_was_held_up_is_not_signed_once_policy_has_changed(office: Office) -> None:
    it, key = await office.proposed(), office.settings.signing_key
    await office.says(it, "approve", "U0BOB")
    await office.told("U0BOB", "1 of 2")
    await office.does(key.rename, key.with_name("elsewhere"))
    await office.says(it, "approve", "U0CAROL")
    await office.card(it, "ssh-keygen did not sign")
    await office.does(office.policy.write_text, POLICY.format(needed=2).replace('"U0BOB", ', ""))
    await office.card(it, "too few of those who agreed")
    await office.does(key.with_name("elsewhere").rename, key)
    assert await office.mail.grant(it.id) is None


async def _shown(office: Office) -> bool:
    return bool(await office.mail.board())


async def test_an_approver_that_begins_again_goes_on_where_it_was(
    slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path
) -> None:
    async with office_in(slack, redis_place, tmp_path) as office:
        it = await office.proposed()
        await office.says(it, "approve", "U0BOB")
        await office.told("U0BOB", "1 of 2")
    async with office_in(slack, redis_place, tmp_path) as office:
        await office.says(it, "approve", "U0CAROL")
        (job,) = await office.carrying()
        await office.carried_out(job)
        await office.card(it, "carried out")
        assert len([m for m in texts(of_the_bot(slack)) if "asks for your approval" in m]) == 1


async def test_without_an_approver_people_are_told_so(slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path) -> None:
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token)
    settings = settings.model_copy(update={"data_dir": tmp_path})
    async with AsyncExitStack() as stack:
        heard: list[str] = []
        await service.running(settings, heard.append, stack)
        await until_so(lambda: ready(heard[0]))
        await asyncio.to_thread(slack.command, "approvals")
        await until(lambda: "there is no approver here" in str(texts(of_the_bot(slack))))


async def test_a_vote_whose_bot_was_killed_counts_once_and_one_that_a_worker_kept_does_not(
    office: Office, redis_place: RedisPlace
) -> None:
    it = await office.proposed()
    bob, carol = (
        Entered(About(it.id, "approve", it.job.channel.id, it.ts), user, "", f"view:V1:{user}") for user in ("U0BOB", "U0CAROL")
    )
    await office.jobs.inbox(seal.read(redis_place.key_file)).keep(carol.delivery, dumps(carol))
    voices = office.jobs.inbox(office.settings.voices())
    await voices.keep(bob.delivery, dumps(bob))
    await office.card(it, "1 of 2")
    await voices.keep(bob.delivery, dumps(bob))
    await until_so(lambda: nothing_kept(office.jobs))
    await office.says(it, "withdraw", "U0ALICE")  # two would have granted it
    await office.card(it, "withdrawn")


async def nothing_kept(jobs: Jobs) -> bool:
    return not await jobs.server.command("EXISTS", jobs.keys.inbox)
