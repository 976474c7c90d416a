"""Letters to the approver through Redis: sealed for what they are, kept until they were acted on."""

from __future__ import annotations

import pytest

from node_helper.changes.grant import Grant
from tests.queue_parts import job
from workers.changes.letters import Voice
from workers.changes.proposal import CarriedOut, Draft, Proposal
from workers.job import Channel, Requester
from workers.jobs import Jobs
from workers.seal import Forged, Key, Seal

VOICES = Seal((Key("v", b"v" * 32),))
BOB = Requester("U0BOB", "T0OWN", standing="member")


def voice(approval: str = "a1") -> Voice:
    return Voice(approval, "approve", BOB, Channel("C0A"), "", "button:1", "t-1", "2026-01-01T00:00:00Z")


async def test_letters_are_taken_in_order_until_they_are_acknowledged(jobs: Jobs) -> None:
    mail = jobs.mail(VOICES)
    sent = (Proposal(job("set"), "1.2", Draft("key", (), 0, "more", ())), voice(), CarriedOut("a1", "0" * 32, ()))
    for letter in sent:
        await mail.send(letter)
    assert [taken.letter for taken in await mail.take()] == list(sent)
    for taken in (await mail.take())[:2]:
        await mail.acknowledge(taken.entry)
    assert [taken.letter for taken in await mail.take()] == [sent[2]]


async def test_what_a_worker_seals_is_nobodys_voice(jobs: Jobs) -> None:
    worker = jobs.mail()
    with pytest.raises(Forged, match="does not have its key"):
        await worker.send(voice())
    with pytest.raises(Forged, match="does not have its key"):
        await worker.take()
    await jobs.mail(Seal((Key("v", b"w" * 32),))).send(voice())
    assert await jobs.mail(VOICES).take() == ()


async def test_a_letter_of_one_kind_is_none_of_another(jobs: Jobs) -> None:
    mail = jobs.mail(VOICES)
    await mail.send(CarriedOut("a1", "0" * 32, ()))
    ((_, said),) = await jobs.server.command("XRANGE", jobs.keys.letters, "-", "+")
    await jobs.server.command("XADD", jobs.keys.letters, "*", "kind", "proposal", "letter", said[b"letter"])
    await jobs.server.command("XADD", jobs.keys.letters, "*", "letter", "anything")
    assert [type(taken.letter) for taken in await mail.take()] == [CarriedOut]


async def test_a_grant_is_there_for_its_approval_alone(jobs: Jobs) -> None:
    mail = jobs.mail()
    await mail.put_grant("a1", Grant("plan", "signature"))
    assert await mail.grant("a1") == Grant("plan", "signature")
    assert await mail.grant("a2") is None
    sealed = await jobs.server.command("GET", jobs.keys.grant("a1"))
    await jobs.server.command("SET", jobs.keys.grant("a2"), sealed)
    with pytest.raises(Forged):
        await mail.grant("a2")
