"""One job, from a worker's lease on it to the one message that carries its result.

Every step can be the last of this worker: what it did is found by the next one in the job's record, and done again only where
doing it twice shows as once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from workers.audit.entry import About, Kind
from workers.audit.trail import Trail, kept_if_possible
from workers.changes.proposal import Draft
from workers.check import Check, View
from workers.enough import Enough
from workers.errors import Unresolved, UsageError
from workers.job import Job
from workers.nodes.at_most import AtMost
from workers.nodes.slotted import Slot, Slotted
from workers.objects import Cluster
from workers.params import arguments, build
from workers.phrase import namespaces
from workers.policy import rules as policy
from workers.policy.sight import Sight
from workers.queue.errors import QueueAway, QueueError
from workers.queue.lease import Lease
from workers.queue.status import State
from workers.recording import Recording, record
from workers.redaction.discretion import Discretion, Said, with_candidate
from workers.redaction.pseudonyms import Pseudonyms
from workers.render import notices, progress
from workers.render.progress import Progress
from workers.runner import Asker, FromNodes
from workers.slack.thread import Position, Thread
from workers.terminal import now
from workers.work.carrying import COMMAND
from workers.work.live import Live
from workers.work.outcome import Outcome
from workers.work.proposing import Changing, handed_over, proposed
from workers.work.saying import say
from workers.work.telling import Telling, still_held

log = structlog.get_logger()
_LAST_WORDS_S = 10.0
"""For a run that watches, from when it is enough to its report."""


@dataclass(frozen=True)
class Work:
    """What a worker needs for every job."""

    checks: Mapping[str, Check[Any, Any]]
    snapshot: Callable[[], Cluster]
    nodes: Asker
    slot: Slot
    thread: Thread
    rules: Callable[[], policy.Rules]
    audit: Trail
    answer_seconds: float = 10.0
    pseudonyms: Pseudonyms = field(default_factory=lambda: Pseudonyms(secrets.token_bytes(32)))
    changing: Changing | None = None

    async def do(self, lease: Lease) -> State | None:
        """Bring one job to its end; its state, None where another worker has it. Raises `QueueError`, `SlackError`."""
        if await lease.shared():
            lease.job = replace(lease.job, channel=replace(lease.job.channel, shared=True))
        job = lease.job
        ts = await lease.position()
        if ts is None:
            ts = (await self.thread.place(job.channel, progress.message(Progress(job.id, self._discretion(job).title)))).ts
            await lease.place(ts)
        at = Position.of(job.channel, ts)
        try:
            outcome = await self._outcome(lease, at)
        finally:
            await self._mend(lease, at)
        if outcome is None:
            return None
        if self.changing:
            await self.changing.report(outcome)
        if not await handed_over(lease, outcome):
            outcome = await say(self.thread, lease, outcome, lambda channel: self.rules().redacts(channel))
        if self.changing:
            await self.changing.propose(lease, outcome)
        await kept_if_possible(self.audit)
        await lease.finish(outcome.state, outcome.reason)
        return outcome.state

    async def _outcome(self, lease: Lease, at: Position) -> Outcome | None:
        stored = await lease.outcome()
        if stored is not None:
            return Outcome.loads(stored)
        if self.changing and lease.job.command == COMMAND:
            made = await self.changing.carrying.outcome(lease, at, self._discretion(lease.job))
        else:
            made = self._ended_before(lease) or await self._run_while_held(lease, at)
        if made is not None:
            made = replace(made, redacted=self._discretion(lease.job).redacted)
            await lease.store_outcome(made.dumps())
        return made

    async def _mend(self, lease: Lease, at: Position) -> None:
        """A worker that loses the job while an edit of its progress is under way may have written over the other's result."""
        stored = await lease.outcome() if lease.lost.is_set() else None
        outcome = Outcome.loads(stored) if stored is not None else None
        if outcome is None:
            return
        if not await handed_over(lease, outcome):
            await self.thread.edit(at, outcome.message)
        elif self.changing:
            await self.changing.remind(lease, outcome)

    def _ended_before(self, lease: Lease) -> Outcome | None:
        job, told = lease.job, self._discretion(lease.job)
        if lease.cancelled.is_set():
            return Outcome(State.CANCELLED, notices.cancelled(job.id, told.title, lease.cancelled_by), "cancelled")
        if lease.exhausted:
            return Outcome(State.DEAD, notices.failed(job.id, told.title, lease.exhausted, told.again), lease.exhausted)
        return None

    async def _run_while_held(self, lease: Lease, at: Position) -> Outcome | None:
        """Run, unless the lease is lost or somebody cancels: then the run is cancelled, and with it the work on the nodes.

        A run that watches what goes on is asked to say what it saw until then.
        """
        held = _Held(lease, at)
        run = asyncio.create_task(self._run(held))
        ends = [asyncio.create_task(event.wait()) for event in (lease.lost, lease.cancelled)]
        try:
            await asyncio.wait({run, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if held.enough.watching and not lease.lost.is_set():
                held.enough.say()
                await asyncio.wait({run, ends[0]}, timeout=_LAST_WORDS_S, return_when=asyncio.FIRST_COMPLETED)
            if run.done():
                return await run
            return None if lease.lost.is_set() else self._ended_before(lease)
        finally:
            for task in (run, *ends):
                task.cancel()
            await asyncio.gather(run, *ends, return_exceptions=True)

    async def _run(self, held: _Held) -> Outcome | None:
        lease, job, told = held.lease, held.lease.job, self._discretion(held.lease.job)
        try:
            return await self._checked(held)
        except Unresolved as e:
            self._not_looked(job, e)
            sight, template = self._sight(job), with_candidate(job, e.said, self.checks[job.command].params)
            return _done(told.unresolved(e, template, self.snapshot(), entitled=sight.alone(sight.of(self.snapshot()))))
        except UsageError as e:
            self._not_looked(job, e)
            return _done(told.usage(e, self.snapshot()))
        except QueueError:
            raise
        except Exception:  # our own fault, whatever it was: said honestly, logged whole
            log.exception("job_failed", attempt=lease.attempt)
            if await lease.retry_later("a fault of netcheck's own"):
                return None
            reason = f"netcheck failed {lease.attempt} times at this. Its log has the reason under {job.trace}."
            return Outcome(State.DEAD, notices.failed(job.id, told.title, reason, told.again), "a fault of netcheck's own")

    def _not_looked(self, job: Job, error: UsageError) -> None:
        self.audit.append(Kind.END, about(job), {"state": State.DONE.value, "reason": error.problem})

    async def _checked(self, held: _Held) -> Outcome:
        job = held.lease.job
        check = self.checks.get(job.command)
        if check is None:
            raise UsageError(f"This worker does not know the command {job.command}; bot and worker differ in version")
        cluster, params = self.snapshot(), build(check.params, job.words)
        if job.cluster != cluster.name:
            raise UsageError(f"This worker looks at the cluster {cluster.name}, not at {job.cluster}")
        sight = self._sight(job)
        decision = sight.decide(*namespaces(params, job.namespace))
        kind = Kind.DECISION if decision.allowed else Kind.REFUSAL
        self.audit.append(kind, about(job), {"line": job.text, "reason": decision.reason})
        if not decision.allowed:
            log.warning("job_refused", reason=decision.reason)
            return Outcome(State.REFUSED, self._discretion(job).refusal(decision.reason).here, decision.reason)
        view = View(sight.of(cluster), job.namespace, now(), self.rules().pool_label)
        try:
            return await self._judged(held, check, params, view)
        except Unresolved as e:
            raise sight.explained(e) from e

    async def _judged(self, held: _Held, check: Check[Any, Any], params: Any, view: View) -> Outcome:
        lease, job, told = held.lease, held.lease.job, self._discretion(held.lease.job)
        live = Live(self.thread, held.at, lambda: still_held(lease))
        telling, drafts = Telling(live, told), list[Draft | None]()
        check = (self.changing and self.changing.drafting(job.command, drafts.append)) or check
        async with live, telling, Slotted(self.nodes, self.slot) as nodes:
            most = self.rules().limits.nodes_per_command
            answers = AtMost(FromNodes(nodes, job.trace, self.answer_seconds, telling.asking, held.enough), most)
            report, recording = await record(check, params, view, answers, time.monotonic)
        await _keep(lease, recording)
        said = {
            "line": job.text,
            "verdict": report.verdict.value,
            "asked": ",".join(report.asked),
            "took_s": f"{report.took_s:.2f}",
        }
        self.audit.append(Kind.EXECUTION, about(job), said)
        log.info("job_judged", verdict=report.verdict.value, took_s=report.took_s, asked=",".join(report.asked))
        report, draft = proposed(report, drafts[0] if drafts else None, self.rules(), job)
        entitled = told.redacted and self._sight(job).alone(view.cluster)
        stopped_by = lease.cancelled_by if held.enough.said else ""
        said_once = told.report(report, self.snapshot(), entitled=entitled, stopped_by=stopped_by, once=draft is not None)
        done = replace(_done(said_once), draft=draft)
        return replace(done, state=State.CANCELLED, reason="cancelled") if held.enough.said else done

    def _sight(self, job: Job) -> Sight:
        return Sight(self.rules(), job, self.checks[job.command].access)

    def _discretion(self, job: Job) -> Discretion:
        """Where the bot, the policy of now or the channel's state says so, nothing is named."""
        check = self.checks.get(job.command)
        choices = tuple(word for a in arguments(check.params) for word in (a.name, *a.choices)) if check else ()
        return Discretion(job, job.redacted or self.rules().redacts(job.channel), self.pseudonyms, choices)


def _done(said: Said) -> Outcome:
    return Outcome(State.DONE, said.here, directly=said.directly)


@dataclass(frozen=True)
class _Held:
    """A job that this worker runs, and the position of its message."""

    lease: Lease
    at: Position
    enough: Enough = field(default_factory=Enough)


async def _keep(lease: Lease, recording: Recording) -> None:
    try:
        await lease.store_bundle(recording.dumps().encode())
    except QueueAway as e:
        log.warning("bundle_not_stored", error=str(e))


def about(job: Job) -> About:
    """The job as the audit names it."""
    return About(job.requester.user, job.channel.id, job.cluster, job.id, job.trace)
