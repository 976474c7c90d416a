"""Plain commands of a person, with jobs and an audit as they are remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot import plain
from bot.command import Command, Context, answered
from bot.commands import Invocation, parse
from tests.slack_limits import refuse_what_slack_refuses
from workers.audit.entry import Kind
from workers.audit.reading import Found, Wanted
from workers.catalogue import catalogue
from workers.check import Access
from workers.job import Channel, Job, Requester
from workers.policy.approval import ApprovalRule, BreakGlass, Stage
from workers.policy.file import built_in
from workers.policy.rules import Rule, Rules
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
