"""A plain command of the bot: answered by the bot itself, at once, without a job. Described once, like a check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from bot.approver.board import Board, Coded, Posted
from bot.commands import Invocation
from bot.decided import Asking, at_all
from bot.entry import Entry
from workers.audit.entry import Kind
from workers.audit.reading import Found, Wanted
from workers.changes.letters import Act
from workers.errors import UsageError
from workers.job import Channel, Requester
from workers.params import arguments
from workers.policy.rules import Decision, Rules
from workers.queue.status import State, Status
from workers.render.message import Message

P = TypeVar("P")


class Jobs(Protocol):
    """What plain commands need of `workers.jobs.Jobs`. Everything raises `QueueAway` where Redis does not answer."""

    async def recent(self, user: str, limit: int = 10) -> tuple[Status, ...]:
        """The person's jobs, newest first."""

    async def status(self, job_id: str) -> Status:
        """Where a job is. Raises `NoSuchJob`, `Forged`."""

    async def cancel(self, job_id: str, by: str) -> State:
        """Ask for its end. Answers the state in which it was."""


class Decisions(Protocol):
    """What plain commands need of the approver. Everything raises `NoApprover`, a `UsageError`, where it does not answer."""

    async def board(self) -> Board:
        """What it shows."""

    async def posted(self, approval: str) -> Posted:
        """One of its approvals. Raises `UsageError`."""

    async def coded(self, code: str) -> tuple[Coded, Posted]:
        """What a terminal's code is for. Raises `UsageError`."""

    async def say(self, act: Act, approval: str, reason: str) -> None:
        """The word of the person who asks is on its way."""


class Records(Protocol):
    """What plain commands need of the audit."""

    @property
    def note(self) -> Callable[[Kind, str, Mapping[str, str]], None]:
        """Adds an entry about the person who asks: what happened, to which job or approval, and words about it."""

    async def newest(self, wanted: Wanted) -> Found:
        """The newest entries. Raises `QueueAway`."""


@dataclass(frozen=True)
class Context:
    """Who asks where, and what the bot can do for them.

    `cluster` is the one that commands mean here; `run` puts a command on its way as if it had been typed, policy included.
    `decisions` is None where nothing can be changed.
    """

    who: Requester
    channel: Channel
    entries: Mapping[str, Entry]
    rules: Rules
    cluster: str
    jobs: Jobs
    run: Callable[[Invocation[Any]], Awaitable[None]]
    records: Records
    decisions: Decisions | None = None

    @property
    def asking(self) -> Asking:
        """What policy decides from."""
        return Asking(self.rules, self.who, self.channel, self.cluster)

    def may(self, entry: Entry) -> Decision:
        """Whether the person may use this command here at all."""
        return at_all(self.rules, self.who, self.channel, entry, self.cluster)


@dataclass(frozen=True)
class Command(Generic[P]):
    """`answer` gives the message for the person, None where what it did speaks for itself; it raises `UsageError`.

    `may` says for whom it is, so that help shows it to nobody else; refusing is `answer`'s.
    """

    name: str
    summary: str
    params: type[P]
    answer: Callable[[P, Context], Awaitable[Message | None]]
    examples: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    may: Callable[[Asking], Decision] | None = None

    def __post_init__(self) -> None:
        """Refuse at import what could only fail at midnight."""
        if not self.name.isidentifier() or not self.summary or not self.examples:
            raise TypeError(f"command {self.name!r}: needs a name of letters, a summary and an example")
        arguments(self.params)


def refuse_cluster(invocation: Invocation[Any]) -> None:
    """Raises `UsageError` where one is said to a plain command, to which it means nothing."""
    if invocation.cluster and isinstance(invocation.entry, Command):
        raise UsageError(f"{invocation.entry.name} knows no clusters", usage=invocation.entry.name)


async def answered(invocation: Invocation[Command[Any]], ctx: Context) -> Message | None:
    """The answer of a plain command. Raises `UsageError`."""
    refuse_cluster(invocation)
    return await invocation.entry.answer(invocation.params, ctx)
