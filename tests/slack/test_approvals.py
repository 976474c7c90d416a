"""Approvals as people see them: the card, its modals, who is told what; on a real Slack stand-in and a real Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from bot import service
from bot.acts import About
from bot.delivered import dumps
from bot.pressed import Entered
from bot.settings import BotSettings
from deploy.lab.slack import Fault, Kind, SlackStandIn
from node_helper.changes import plan as plans
from tests import approvals
from tests.change_node import make_key
from tests.slack.parts import of_the_bot, placeholder, texts, until, writing
from tests.slack.running_bot import ready, settings_of, until_so
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.changes.mail import Mail
from workers.changes.proposal import CarriedOut, NodeEnd, Proposal
from workers.job import Channel
from workers.jobs import Jobs, State, Status

POLICY = """
version = 1
[[rule]]
name = "members may do everything"
who = ["members"]
may = ["READ", "REVEAL", "PROBE", "CHANGE"]
[[approval]]
name = "two of the platform"
change = "set"
needed = {needed}
expires = "1h"
break_glass = {{ who = ["U0ALICE"] }}
[[approval.stage]]
approvers = ["U0BOB", "U0CAROL", "U0GUEST"]
"""
NODES = ("node-one", "node-two")


@dataclass
class Office:
    """A bot that is the approver too, a worker's hands, and what people do."""

    slack: SlackStandIn
    jobs: Jobs
    mail: Mail
    policy: Path
    settings: BotSettings

    async def does(self, act: Any, *args: Any, **more: Any) -> Any:
        return await asyncio.to_thread(lambda: act(*args, **more))

    async def proposed(self, nodes: tuple[str, ...] = NODES, needed: int = 2, **more: Any) -> Proposal:
        """A worker has put it before the approvers; the card is there."""
        asked = approvals.proposal(name=approvals.fresh(), at=approvals.present(), nodes=nodes)
        job = replace(asked.job, requester=approvals.ALICE, channel=Channel(self.slack.workspace.incidents, None, shared=False))
        job = replace(job, **more)
        async with writing(self.slack) as thread:
            at = await thread.place(job.channel, placeholder(job))
        proposal = replace(asked, job=job, ts=at.ts)
        await self.mail.send(proposal)
        await self.card(proposal, "")
        await until(lambda: f"0 of {needed}" in self.text(proposal) or "refused" in self.text(proposal))
        return proposal

    def message(self, proposal: Proposal) -> dict[str, Any]:
        found: dict[str, Any] = next(m for m in self.slack.messages() if m["ts"] == proposal.ts)
        return found

    def text(self, proposal: Proposal) -> str:
        return json.dumps(self.message(proposal), ensure_ascii=False)

    async def card(self, proposal: Proposal, part: str) -> dict[str, Any]:
        """The card, as soon as it says so."""
        await until(lambda: part in self.text(proposal))
        found: dict[str, Any] = await self.does(self.message, proposal)
        return found

    async def says(self, proposal: Proposal, act: str, user: str, reason: str = "") -> None:
        """Somebody clicks, and submits the modal."""
        before = len(await self.does(self.slack.calls, "views.open"))
        await self.does(self.slack.click, await self.does(self.message, proposal), f"netcheck_act-{act}", user=user)
        await until(lambda: len(self.slack.calls("views.open")) > before)
        assert await self.does(self.slack.submit, {"reason": reason} if reason else None, user=user) == {}

    async def told(self, user: str, part: str) -> dict[str, Any]:
        """What one person alone was told."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            mine = (m for m in of_the_bot(self.slack) if m.get("ephemeral_to") == user)
            found[:] = [m for m in mine if part in m["text"]]
            return bool(found)

        await until(there)
        return found[0]

    async def replied(self, part: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [m for m in of_the_bot(self.slack) if part in m.get("text", "") and "ephemeral_to" not in m]
            return bool(found)

        await until(there)
        return found[0]

    async def carrying(self, count: int = 1) -> list[Status]:
        """The jobs that carry something out, newest first, as soon as there are so many."""
        found: list[Status] = []

        async def there() -> bool:
            recent = await self.jobs.recent(self.slack.workspace.alice, 50)
            found[:] = [s for s in recent if s.job.command == "carry_out" and s.state is State.QUEUED]
            return len(found) >= count

        await until_so(there)
        return found

    async def carried_out(self, job: Status, **ends: str) -> plans.Plan:
        """A worker has done it, node by node; what was signed."""
        grant = await self.mail.grant(job.job.words["approval"])
        assert grant is not None
        plan = plans.read(grant.plan)
        nodes = tuple(NodeEnd(t.node, ends.get(t.node.replace("-", "_"), "done")) for t in plan.targets)  # type: ignore[arg-type]  # as words
        await self.mail.send(CarriedOut(plan.approval, plan.nonce, nodes))
        return plan


@asynccontextmanager
async def office_in(
    slack: SlackStandIn, place: RedisPlace, folder: Path, needed: int = 2, approver: str = "inside"
) -> AsyncIterator[Office]:
    policy, key = folder / "policy.toml", folder / "approver" / "key"
    policy.write_text(POLICY.format(needed=needed))
    key.parent.mkdir(mode=0o700, exist_ok=True)
    if not key.exists():
        await asyncio.to_thread(make_key, key)
    settings = settings_of(slack, place, slack_app_token=slack.workspace.app_token, policy_file=policy)
    settings = settings.model_copy(update={"data_dir": folder, "approver": approver})
    jobs = place.jobs()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(jobs.aclose)
        heard: list[str] = []
        await service.running(settings, heard.append, stack)
        mail = jobs.mail(seal.read_or_make(folder / "voice.key"))
        await until_so(lambda: ready(heard[0]))
        yield Office(slack, jobs, mail, policy, settings)


@pytest_asyncio.fixture
async def office(slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path) -> AsyncIterator[Office]:
    async with office_in(slack, redis_place, tmp_path) as it:
        yield it


async def test_a_change_is_agreed_to_by_two_carried_out_and_undone(office: Office) -> None:
    alice, bob, carol = office.slack.workspace.alice, office.slack.workspace.bob, office.slack.workspace.carol
    it = await office.proposed()
    card = await office.card(it, "waiting for <@U0BOB>")
    assert "131072" in json.dumps(card["blocks"])
    asked = await office.replied("asks for your approval")
    assert (asked["thread_ts"], "<@U0BOB>" in asked["text"], "<@U0CAROL>" in asked["text"]) == (it.ts, True, True)
    await office.says(it, "approve", bob)
    await office.told(bob, "being counted")
    await office.told(bob, "1 of 2")
    await office.card(it, "approved by <@U0BOB>")
    await office.says(it, "approve", carol)
    (job,) = await office.carrying()
    assert (job.job.channel.thread, job.job.requester.user, job.job.words) == (it.ts, alice, {"approval": it.id})
    plan = await office.carried_out(job)
    assert (plan.approval, plan.undoes, [t.node for t in plan.targets]) == (it.id, "", list(NODES))
    card = await office.card(it, "carried out")
    await office.card(it, "netcheck_act-undo")
    await office.says(it, "undo", alice)
    jobs = await office.carrying(2)
    undo = await office.carried_out(next(j for j in jobs if j.job.id != job.job.id))
    assert (undo.undoes, undo.approval) == (plan.nonce, f"{it.id}-undo")
    assert {(t.before.value, t.after.value) for t in undo.targets} == {(198000, 131072)}
    card = await office.card(it, "undone")
    assert not [b for b in card["blocks"] if b["type"] == "actions"]


async def test_a_rejection_needs_a_reason_and_ends_it(office: Office) -> None:
    it = await office.proposed()
    await office.does(office.slack.click, office.message(it), "netcheck_act-reject", user="U0BOB")
    await until(lambda: office.slack.calls("views.open"))
    assert await office.does(office.slack.submit, {"reason": "  "}, user="U0BOB") == {"reason": "Say why; everybody sees it."}
    assert await office.does(office.slack.submit, {"reason": "too high <!channel>"}, user="U0BOB") == {}
    card = await office.card(it, "rejected")
    assert "<!channel>" not in json.dumps(card, ensure_ascii=False)
    assert "too high" in (await office.replied("rejected"))["text"]
    await office.does(office.slack.command, f"approve {it.id}", user="U0CAROL")
    await office.told("U0CAROL", "too late")


async def test_who_may_not_decide_is_told_why_and_it_goes_on_waiting(office: Office) -> None:
    it = await office.proposed()
    await office.says(it, "approve", "U0ALICE")
    await office.told("U0ALICE", "asked for this yourself")
    await office.says(it, "approve", "U0GUEST")
    await office.told("U0GUEST", "guest")
    await office.says(it, "withdraw", "U0BOB")
    await office.told("U0BOB", "Only who asked")
    await office.says(it, "withdraw", "U0ALICE")
    await office.card(it, "withdrawn")


async def test_what_nobody_decides_in_time_expires_and_a_late_word_changes_nothing(office: Office) -> None:
    it = await office.proposed(created=approvals.rfc(approvals.present() - 3597))
    card = await office.card(it, "expired")
    assert not [block for block in card["blocks"] if block["type"] == "actions"]
    assert "nothing was changed" in (await office.replied("not enough people agreed in time"))["text"]
    await office.mail.send(approvals.voice("approve", approvals.BOB, approvals.present(), name=it.id))
    await office.told("U0BOB", "It is decided already: expired")
    assert await office.mail.grant(it.id) is None


async def test_twice_the_same_click_counts_once(office: Office) -> None:
    it = await office.proposed()
    office.slack.fail(Fault("delivery", Kind.REPEATED, times=-1))
    await office.says(it, "approve", "U0BOB")
    await office.told("U0BOB", "1 of 2")
    office.slack.heal()
    await office.says(it, "approve", "U0BOB")
    await office.told("U0BOB", "it counts once")
    assert "1 of 2 approved" in office.text(it)


async def test_who_goes_ahead_alone_is_seen_by_everybody_and_reviewed(office: Office) -> None:
    it = await office.proposed()
    await office.says(it, "break-glass", "U0ALICE", "the site is down")
    (job,) = await office.carrying()
    await office.replied("goes ahead *alone*")
    everybody = [m for m in of_the_bot(office.slack) if "goes ahead *alone*" in m["text"]]
    assert {m.get("thread_ts") for m in everybody} == {None, it.ts}
    assert "the site is down" in everybody[0]["text"]
    await office.carried_out(job, node_two="failed")
    await office.card(it, "partly carried out")
    await office.does(office.slack.command, "approvals", user="U0BOB")
    await office.told("U0BOB", "nobody has reviewed it")
    await office.says(it, "review", "U0BOB")
    await office.card(it, "Reviewed by <@U0BOB>")


async def test_commands_list_decide_and_withdraw(office: Office) -> None:
    it = await office.proposed()
    await office.does(office.slack.command, "approvals", user="U0BOB")
    listed = await office.told("U0BOB", it.id)
    assert "waiting for <@U0BOB>, <@U0CAROL>" in listed["text"]
    await office.does(office.slack.command, f"approve {it.id}", user="U0BOB")
    await office.told("U0BOB", "1 of 2")
    await office.does(office.slack.command, "approve nothing", user="U0BOB")
    await office.told("U0BOB", "there is no approval nothing")
    await office.does(office.slack.command, f"reject {it.id} not in peak hours, please", user="U0CAROL")
    await office.card(it, "not in peak hours, please")


async def test_a_requester_who_may_not_ask_and_a_change_without_a_rule_are_refused_before_anybody_is_asked(
    office: Office,
) -> None:
    it = await office.proposed(requester=approvals.person("U0GUEST", "guest"))
    await office.card(it, "nobody was asked")
    other = await office.proposed(command="clear_stale")
    await office.card(other, "no approval rule is about clear_stale")
    assert not [m for m in of_the_bot(office.slack) if "asks for your approval" in m["text"]]


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
