"""Where every command arrives: understood, decided, and answered at once or made a job."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from prometheus_client import Counter

from bot import trouble
from bot.approvals import Approvals, Decisions
from bot.aside import ANSWERED, Asides
from bot.asked import Asked
from bot.command import Command, Context, answered
from bot.commands import Invocation, parse
from bot.decided import Meaning, at_home, decided
from bot.directory import Directory
from bot.entry import Entry
from bot.placing import Placing
from bot.records import Records
from workers.audit.entry import About, Kind
from workers.audit.reading import Reader
from workers.audit.trail import Trail, kept_if_possible
from workers.errors import UsageError
from workers.job import Channel, Job, Requester
from workers.jobs import QueueAway
from workers.params import words
from workers.policy.rules import Rules
from workers.redaction.discretion import REFUSED
from workers.render import notices
from workers.slack import removal

log = structlog.get_logger()

ASKED = Counter("netcheck_asked", "Commands that reached the bot, by how they came and what became of them", ["way", "outcome"])


@dataclass(frozen=True)
class Home:
    """What commands mean where neither they nor the channel's policy say it, and the bot's own user id."""

    cluster: str
    namespace: str
    bot: str


@dataclass(frozen=True)
class Books:
    """The audit: where this bot writes, and what everybody wrote; and the way to the approver, None where there is none."""

    trail: Trail
    reader: Reader
    approvals: Approvals | None = None


class Desk:
    """Serves commands, as many at once as come."""

    def __init__(
        self,
        asides: Asides,
        books: Books,
        directory: Directory,
        entries: Mapping[str, Entry],
        rules: Callable[[], Rules],
        home: Home,
    ) -> None:
        self.jobs, self.directory, self.entries, self.rules, self.home = asides.jobs, directory, entries, rules, home
        self.asides, self.books = asides, books
        self.placing = Placing(asides, home.bot)
        self._known_shared: dict[str, bool] = {}

    async def serve(self, asked: Asked) -> str:
        """The person has an answer, or will get one in the job's message; what became of it. Raises nothing."""
        trace = f"t-{secrets.token_hex(6)}"
        with structlog.contextvars.bound_contextvars(trace=trace):
            log.info("asked", way=asked.way, user=asked.user, channel=asked.channel)
            outcome = await self._guarded(asked, trace)
            await self.looked_at(asked.channel)
            ASKED.labels(asked.way, outcome).inc()
            log.info("served", outcome=outcome)
            return outcome

    async def interrupted(self, asked: Asked) -> None:
        """Somebody began to answer this, and has died since. Raises nothing."""
        await self.asides.say(asked, trouble.interrupted(), "interrupted")

    async def looked_at(self, channel: str) -> None:
        """What others must not find in the channel is gone, if Slack says that they read it. Raises nothing."""
        try:
            await self._keep(Channel(channel, shared=(await self.directory.seat(channel)).shared))
        except QueueAway as e:
            log.warning("queue_away", reason=str(e))
        except Exception:  # our own fault, whatever it was: logged whole
            log.exception("channel_not_looked_at", channel=channel)

    async def _keep(self, where: Channel) -> None:
        """Where it is not known the files stay: Slack not answering for a moment must not remove them."""
        if where.shared is None or where.shared is self._known_shared.get(where.id):
            return
        await self.jobs.channels.mark(where.id, shared=where.shared)
        if where.shared and self.rules().redacts(where):
            await removal.remove_files(self.jobs.channels, self.asides.thread, where.id)
        self._known_shared[where.id] = where.shared

    async def _guarded(self, asked: Asked, trace: str) -> str:
        try:
            return await self._served(asked, trace)
        except QueueAway as e:
            log.warning("queue_away", reason=str(e))
            return await self.asides.say(asked, trouble.queue_away(), "queue away")
        except Exception:  # our own fault, whatever it was: said honestly, logged whole
            log.exception("command_failed")
            return await self.asides.say(asked, trouble.fault(trace), "fault")

    async def _served(self, asked: Asked, trace: str) -> str:
        seat = await self.directory.seat(asked.channel)
        if not seat.member:
            about = About(asked.user, asked.channel, self.home.cluster, trace=trace)
            self.books.trail.append(Kind.REFUSAL, about, {"way": asked.way, "reason": "the bot is not in the channel"})
            return await self.asides.once(asked, trouble.not_in_channel(self.home.bot), "not in channel")
        who = await self.directory.person(asked.user)
        try:
            return await _Turn(self, asked, who, Channel(asked.channel, asked.thread, seat.shared), trace).taken()
        except UsageError as e:
            return await self.asides.once(asked, notices.usage(e), "usage")


@dataclass(frozen=True)
class _Turn:
    """One command of one person in one channel."""

    desk: Desk
    asked: Asked
    who: Requester
    channel: Channel
    trace: str

    async def taken(self) -> str:
        """What became of it. Raises `UsageError`, `QueueAway`."""
        invocation = self._understood()
        if isinstance(invocation.entry, Command):
            return await self._answered(cast("Invocation[Command[Any]]", invocation))
        return await self._run(invocation)

    def _understood(self) -> Invocation[Entry]:
        """The command, which is audited as it was understood, never as it was typed. Raises `UsageError`."""
        try:
            invocation = parse(self.asked.text if self.asked.text.strip() else "help", self.desk.entries)
        except UsageError:
            self._note(Kind.COMMAND, said={"way": self.asked.way, "understood": "no"})
            raise
        self._note(Kind.COMMAND, said={"way": self.asked.way, "line": invocation.text})
        return invocation

    def _note(self, kind: Kind, subject: str = "", said: Mapping[str, str] | None = None) -> None:
        about = About(self.who.user, self.channel.id, self.desk.home.cluster, subject, self.trace)
        self.desk.books.trail.append(kind, about, said)

    async def _answered(self, invocation: Invocation[Command[Any]]) -> str:
        """Once, like what it does: a click that Slack repeats does not cancel the next job as well."""
        desk = self.desk
        if not await desk.jobs.first_time(f"{self.asked.delivery}:command"):
            return ANSWERED
        cluster = self._at_home(replace(invocation, cluster=None))[1].cluster
        records = Records(self._note, desk.books.reader)
        context = Context(
            self.who, self.channel, desk.entries, desk.rules(), cluster, desk.jobs, self._again, records, self._decisions()
        )  # fmt: skip
        try:
            message = await answered(invocation, context)
        except UsageError as e:
            message = notices.usage(e)
        return "ran" if message is None else await desk.asides.say(self.asked, message, "answered")

    def _decisions(self) -> Decisions | None:
        desk, user = self.desk, self.asked.user
        if desk.books.approvals is None:
            return None
        return Decisions(
            desk.books.approvals, lambda: desk.directory.person_now(user), self.channel, self.asked.delivery, self.trace
        )  # fmt: skip

    async def _again(self, invocation: Invocation[Any]) -> None:
        await self._run(invocation)

    async def _run(self, invocation: Invocation[Any]) -> str:
        desk = self.desk
        invocation, meaning = self._at_home(invocation)
        decision = decided(desk.rules(), self.who, self.channel, invocation, meaning)
        log.info("decided", command=invocation.entry.name, allowed=decision.allowed, reason=decision.reason)
        if not decision.allowed:
            self._note(Kind.REFUSAL, said={"line": invocation.text, "reason": decision.reason})
            overheard = self._redacted and not self.asked.response_url
            return await desk.asides.once(self.asked, notices.refused(REFUSED if overheard else decision.reason), "refused")
        job = self._job(invocation, meaning)
        self._note(Kind.DECISION, job.id, {"line": invocation.text, "reason": decision.reason})
        await kept_if_possible(desk.books.trail)
        outcome = await desk.placing.place(self.asked, job, desk.rules().limits)
        if outcome != "queued":
            self._note(Kind.END, job.id, {"state": outcome})
        return outcome

    @property
    def _redacted(self) -> bool:
        return self.desk.rules().redacts(self.channel)

    def _at_home(self, invocation: Invocation[Any]) -> tuple[Invocation[Any], Meaning]:
        desk = self.desk
        return at_home(invocation, desk.rules(), self.channel.id, Meaning(desk.home.cluster, desk.home.namespace))

    def _job(self, invocation: Invocation[Any], meaning: Meaning) -> Job:
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Job(
            secrets.token_hex(6), invocation.entry.name, words(invocation.params), meaning.namespace, meaning.cluster,
            self.who, self.channel, self.asked.delivery, self.trace, created, invocation.text, self._redacted,
        )  # fmt: skip
