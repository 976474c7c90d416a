"""`audit` and `approvals`: what was asked for, shown to who may see it and where nobody else reads."""

from __future__ import annotations

import time

import pytest

from tests.unit.plain_parts import AGREED, ANN, HERE, Books, Bot
from workers.audit.entry import Entry, Kind
from workers.audit.reading import Found, Seen
from workers.errors import UsageError
from workers.job import Channel, Requester


async def test_approvals_are_not_spoken_of_where_others_read() -> None:
    with pytest.raises(UsageError, match="not spoken of in a channel that others may read"):
        await Bot(channel=Channel("C0ANY", shared=True), rules=AGREED).say("approvals")


def entry(kind: Kind = Kind.COMMAND, **said: str) -> Entry:
    return Entry("bot-a1", 2, "", "2026-01-02T03:04:05.678Z", kind, "U0BOB", "C0ANY", "lab", "j-1", "t-1", said)


async def test_the_audit_is_a_table_of_what_was_asked_for() -> None:
    bot = Bot(books=Books(Found((Seen(entry(line="pod web", way="command"), ""),))))
    said = await bot.say("audit user=<@U0BOB> since=2h job=j-1")
    assert "01-02 03:04:05  command  U0BOB  j-1    pod web, way=command  bot-a1" in said
    (wanted,) = bot.books.wanted
    assert (wanted.who, wanted.subject) == ("U0BOB", "j-1")
    assert abs(wanted.since_ms / 1000 - (time.time() - 7200)) < 60


async def test_the_audit_of_hostile_words_harms_nobody_and_doubtful_entries_are_marked() -> None:
    hostile = entry(line="<!channel> ```x``` \x1b[2J\n|", reason="<@U0ANN> *x*")
    bot = Bot(books=Books(Found((Seen(hostile, "is signed with a key that is not known"),), unreadable=2, cut=True)))
    said = await bot.say("audit")
    assert "<!channel>" not in said
    assert "<@U0ANN>" not in said
    assert said.count("```") == 2
    assert "❔  01-02" in said
    assert "do not believe them" in said
    assert "2 records in Redis are no entries" in said


async def test_an_audit_of_many_long_entries_fits_into_a_message() -> None:
    many = tuple(Seen(entry(line="&" * 500, reason="<" * 500), "") for _ in range(25))
    assert "more rows" in await Bot(books=Books(Found(many))).say("audit")


@pytest.mark.parametrize(
    ("who", "channel", "reason"),
    [
        (Requester("U0GUEST", "T0OWN", (), "guest"), HERE, "no rule names you"),
        (ANN, Channel("C0EXT", shared=True), "shared with another organisation"),
        (ANN, Channel("C0DOUBT", shared=None), "cannot be known"),
    ],
)
async def test_the_audit_is_not_for_everybody_nor_for_everywhere(who: Requester, channel: Channel, reason: str) -> None:
    bot = Bot(who=who, channel=channel)
    assert reason in await bot.say("audit")
    assert bot.books.wanted == []
    assert bot.books.noted[0][0] is Kind.REFUSAL


@pytest.mark.parametrize("text", ["audit user=ann", "audit since=ever", "audit job=$(id)"])
async def test_an_audit_question_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        await Bot().say(text)


@pytest.mark.parametrize(
    "text", ["approvals", "approve ab12", "reject ab12 no", "withdraw ab12", "undo ab12", "confirm K7QF2M9X"]
)
async def test_approvals_are_for_members_where_nobody_else_reads(text: str) -> None:
    for bot, part in (
        (Bot(who=Requester("U0GUEST", "T0OWN", (), "guest")), "only members"),
        (Bot(channel=Channel("C0ANY", shared=None)), "not spoken of"),
        (Bot(), "there is no approver here"),
    ):
        with pytest.raises(UsageError, match=part):
            await bot.say(text)
