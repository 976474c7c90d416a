from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot import plain
from bot.command import Command, Context, answered
from bot.commands import Invocation, parse
from tests.slack_limits import refuse_what_slack_refuses
from workers.audit.entry import Entry, Kind
from workers.audit.reading import Found, Seen, Wanted
from workers.catalogue import catalogue
from workers.check import Access
from workers.errors import UsageError
from workers.job import Channel, Job, Requester
from workers.policy.approval import ApprovalRule, BreakGlass, Stage
from workers.policy.file import built_in
from workers.policy.rules import Defaults, Rule, Rules
from workers.queue.errors import NoSuchJob
from workers.queue.status import State, Status

ENTRIES: dict[str, Any] = {**plain.catalogue(), **catalogue()}
ANN = Requester("U0ANN", "T0OWN", (), "member")
HERE = Channel("C0ANY", shared=False)
AGREED = Rules(
    (*built_in().rules, Rule("ann", ("U0ANN",), frozenset({Access.CHANGE}))),
    approvals=(ApprovalRule("set in the lab", "set", (Stage(("U0ANN", "U0BOB")),), break_glass=BreakGlass(("U0ANN",))),),
)


@dataclass
class Queue:
    """The jobs as they are remembered; cancelling is remembered too."""

    known: tuple[Status, ...] = ()
    cancelled: list[tuple[str, str]] = field(default_factory=list)

    async def recent(self, user: str, limit: int = 10) -> tuple[Status, ...]:
        return tuple(s for s in self.known if s.job.requester.user == user)[:limit]

    async def status(self, job_id: str) -> Status:
        for status in self.known:
            if status.job.id == job_id:
                return status
        raise NoSuchJob(job_id)

    async def cancel(self, job_id: str, by: str) -> State:
        self.cancelled.append((job_id, by))
        return (await self.status(job_id)).state


def job(name: str, state: State = State.RUNNING, user: str = "U0ANN", channel: str = "C0ANY") -> Status:
    asked = Job(
        name,
        "pod",
        {"pod": "web", "raw": "addr"},
        "shop",
        "lab",
        Requester(user),
        Channel(channel),
        name,
        "t",
        "2026-01-01T00:00:00Z",
    )
    return Status(asked, state, "1.0", 1, "", "", "", 1.0, 2.0, 3.0, 4.5 if state.over else 0.0)


@dataclass
class Books:
    """An audit with these entries; what is noted, and what was wanted of it."""

    found: Found = field(default_factory=lambda: Found(()))
    noted: list[tuple[Kind, str, dict[str, str]]] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)

    def note(self, kind: Kind, subject: str, said: Mapping[str, str]) -> None:
        self.noted.append((kind, subject, dict(said)))

    async def newest(self, wanted: Wanted) -> Found:
        self.wanted.append(wanted)
        return self.found


@dataclass
class Bot:
    """What was said to the person, and what was run."""

    queue: Queue = field(default_factory=Queue)
    who: Requester = ANN
    channel: Channel = HERE
    rules: Rules = field(default_factory=built_in)
    ran: list[str] = field(default_factory=list)
    books: Books = field(default_factory=Books)

    async def run(self, invocation: Invocation[Any]) -> None:
        self.ran.append(invocation.text)

    async def say(self, text: str, entries: Mapping[str, Any] = ENTRIES) -> str:
        invocation = parse(text, entries)
        assert isinstance(invocation.entry, Command)
        ctx = Context(self.who, self.channel, entries, self.rules, "lab", self.queue, self.run, self.books)
        message = await answered(invocation, ctx)
        if message is None:
            return ""
        refuse_what_slack_refuses(message)
        return "\n".join(block["text"]["text"] for block in message.blocks)


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


async def test_approvals_are_not_spoken_of_where_others_read() -> None:
    with pytest.raises(UsageError, match="not spoken of in a channel that others may read"):
        await Bot(channel=Channel("C0ANY", shared=True), rules=AGREED).say("approvals")


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


async def test_jobs_are_listed_with_their_state() -> None:
    said = await Bot(Queue((job("j-2"), job("j-1", State.DONE)))).say("jobs")
    assert "`j-2` `pod web raw=addr namespace=shop` running" in said
    assert "`j-1` `pod web raw=addr namespace=shop` done after 2.50 s" in said


async def test_nobody_has_jobs_at_first() -> None:
    assert await Bot().say("jobs") == "*You have no jobs yet*"


@pytest.mark.parametrize(("text", "wanted"), [("cancel", "j-2"), ("cancel j-1", "j-1"), ("stop j-3", "j-3")])
async def test_cancel_ends_the_last_job_or_the_one_that_is_named(text: str, wanted: str) -> None:
    bot = Bot(Queue((job("j-2"), job("j-1"), job("j-3", user="U0BOB"))))
    assert f"cancelling job `{wanted}`" in await bot.say(text)
    assert bot.queue.cancelled == [(wanted, "U0ANN")]
    assert bot.books.noted == [(Kind.CANCEL, wanted, {"was": "running"})]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cancel j-9", "there is no job j-9 of yours or of this channel"),
        ("cancel elsewhere", "there is no job elsewhere of yours or of this channel"),
        ("cancel over", "job over is over already: it is done"),
        ("cancel $(id)", "'$(id)' is not the id of a job"),
        ("again elsewhere", "there is no job elsewhere of yours or of this channel"),
        ("whoami cluster=other", "whoami knows no clusters"),
    ],
)
async def test_what_cannot_be_done_is_said(text: str, problem: str) -> None:
    bot = Bot(Queue((job("j-1"), job("over", State.DONE), job("elsewhere", user="U0BOB", channel="C0SECRET"))))
    with pytest.raises(UsageError) as e:
        await bot.say(text)
    assert e.value.problem == problem


async def test_the_steps_of_an_approval_are_listed_and_not_run_again() -> None:
    step = job("ab12-undo", State.DONE)
    step = replace(step, job=replace(step.job, command="carry_out", words={"approval": "ab12"}))
    bot = Bot(Queue((step, job("j-1", State.DONE))))
    assert "`ab12-undo` `carry out " in await bot.say("jobs")
    assert await bot.say("again") == ""
    assert bot.ran == ["pod web raw=addr namespace=shop cluster=lab"]


async def test_without_jobs_there_is_nothing_to_cancel() -> None:
    with pytest.raises(UsageError, match="you have no jobs yet"):
        await Bot().say("cancel")


async def test_again_runs_the_command_with_the_namespace_and_cluster_that_it_had() -> None:
    bot = Bot(Queue((job("j-1", State.DONE),)))
    assert await bot.say("again") == ""
    assert bot.ran == ["pod web raw=addr namespace=shop cluster=lab"]


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
