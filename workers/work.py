"""One job, from a worker's lease on it to the one message that carries its result.

Every step can be the last of this worker: what it did is found by the next one in the job's record, and done again only where
doing it twice shows as once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from workers import policy, result
from workers.at_most import AtMost
from workers.audit.entry import About, Kind
from workers.audit.trail import Trail, kept_if_possible
from workers.check import Check, View
from workers.enough import Enough
from workers.errors import Unresolved, UsageError
from workers.job import Job
from workers.live import Live
from workers.objects import Cluster
from workers.outcome import Outcome
from workers.params import Namespace, Target, arguments, build
from workers.phrase import namespaces
from workers.queue.errors import QueueAway, QueueError
from workers.queue.lease import Lease
from workers.queue.status import State
from workers.recording import Recording, record
from workers.render import blocks, notices, progress
from workers.render.progress import Progress, Stage
from workers.runner import Asker, FromNodes
from workers.sight import Sight
from workers.slotted import Slot, Slotted
from workers.terminal import now
from workers.thread import Position, Thread

log = structlog.get_logger()
_LAST_WORDS_S = 10.0
"""For a run that watches, from when it is enough to its report."""
FIRST_TELL_S, NEXT_TELLS_S, MOST_TELLS = 1.5, 6.0, 4
"""Edits are rationed: none for a quick job, a few for a long one (chat.update is limited for each workspace)."""


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

    async def do(self, lease: Lease) -> State | None:
        """Bring one job to its end; its state, None where another worker has it. Raises `QueueError`, `SlackError`."""
        job = lease.job
        ts = await lease.position()
        if ts is None:
            ts = (await self.thread.place(job.channel, progress.message(Progress(job.id, job.text)))).ts
            await lease.place(ts)
        at = Position.of(job.channel, ts)
        try:
            outcome = await self._outcome(lease, at)
        finally:
            await self._mend(lease, at)
        if outcome is None:
            return None
        await result.tell(self.thread, lease, outcome.message, took_s=age(job))
        await kept_if_possible(self.audit)
        await lease.finish(outcome.state, outcome.reason)
        return outcome.state

    async def _outcome(self, lease: Lease, at: Position) -> Outcome | None:
        stored = await lease.outcome()
        if stored is not None:
            return Outcome.loads(stored)
        made = self._ended_before(lease) or await self._run_while_held(lease, at)
        if made is not None:
            await lease.store_outcome(made.dumps())
        return made

    async def _mend(self, lease: Lease, at: Position) -> None:
        """A worker that loses the job while an edit of its progress is under way may have written over the other's result."""
        stored = await lease.outcome() if lease.lost.is_set() else None
        if stored is not None:
            await self.thread.edit(at, Outcome.loads(stored).message)

    def _ended_before(self, lease: Lease) -> Outcome | None:
        job = lease.job
        if lease.cancelled.is_set():
            return Outcome(State.CANCELLED, notices.cancelled(job.id, job.text, lease.cancelled_by), "cancelled")
        if lease.exhausted:
            return Outcome(State.DEAD, notices.failed(job.id, job.text, lease.exhausted), lease.exhausted)
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
        lease, job = held.lease, held.lease.job
        try:
            return await self._checked(held)
        except Unresolved as e:
            self._not_looked(job, e)
            return Outcome(State.DONE, notices.unresolved(e, _template(job, e.said, self.checks[job.command].params)))
        except UsageError as e:
            self._not_looked(job, e)
            return Outcome(State.DONE, notices.usage(e))
        except QueueError:
            raise
        except Exception:  # our own fault, whatever it was: said honestly, logged whole
            log.exception("job_failed", attempt=lease.attempt)
            if await lease.retry_later("a fault of netcheck's own"):
                return None
            reason = f"netcheck failed {lease.attempt} times at this. Its log has the reason under {job.trace}."
            return Outcome(State.DEAD, notices.failed(job.id, job.text, reason), "a fault of netcheck's own")

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
        sight = Sight(self.rules(), job, check.access)
        decision = sight.decide(*namespaces(params, job.namespace))
        kind = Kind.DECISION if decision.allowed else Kind.REFUSAL
        self.audit.append(kind, about(job), {"line": job.text, "reason": decision.reason})
        if not decision.allowed:
            log.warning("job_refused", reason=decision.reason)
            return Outcome(State.REFUSED, notices.refused(decision.reason), decision.reason)
        view = View(sight.of(cluster), job.namespace, now())
        try:
            return await self._judged(held, check, params, view)
        except Unresolved as e:
            raise sight.explained(e) from e

    async def _judged(self, held: _Held, check: Check[Any, Any], params: Any, view: View) -> Outcome:
        lease, job = held.lease, held.lease.job
        live = Live(self.thread, held.at, lambda: _still_held(lease))
        telling = _Telling(live, job)
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
        if held.enough.said:
            return Outcome(State.CANCELLED, blocks.message(report, again=job.text, stopped_by=lease.cancelled_by), "cancelled")
        return Outcome(State.DONE, blocks.message(report, again=job.text))


@dataclass(frozen=True)
class _Held:
    """A job that this worker runs, and the position of its message."""

    lease: Lease
    at: Position
    enough: Enough = field(default_factory=Enough)


class _Telling:
    """Says in the message what is being done, when it takes long enough for somebody to wonder."""

    def __init__(self, live: Live, job: Job) -> None:
        self._live, self._job = live, job
        self._stage = Stage.LOCATING
        self._nodes: frozenset[str] = frozenset()

    def asking(self, nodes: frozenset[str]) -> None:
        """These are being asked now."""
        self._stage, self._nodes = Stage.ASKING, nodes

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._tell())

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        await asyncio.sleep(FIRST_TELL_S)
        for _ in range(MOST_TELLS):
            job = self._job
            self._live.show(progress.message(Progress(job.id, job.text, self._stage, age(job), tuple(sorted(self._nodes)))))
            await asyncio.sleep(NEXT_TELLS_S)


async def _still_held(lease: Lease) -> bool:
    try:
        await lease.progress("running")
    except QueueError:
        return False
    return True


async def _keep(lease: Lease, recording: Recording) -> None:
    try:
        await lease.store_bundle(recording.dumps().encode())
    except QueueAway as e:
        log.warning("bundle_not_stored", error=str(e))


def about(job: Job) -> About:
    """The job as the audit names it."""
    return About(job.requester.user, job.channel.id, job.cluster, job.id, job.trace)


def age(job: Job) -> float:
    """Seconds since the job was asked for."""
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(job.created)).total_seconds())


def _template(job: Job, said: str, params: type) -> str:
    """The command with `{}` in place of the target that named nothing, for the buttons of the candidates.

    The same word can be something else as well: `ping db from db`.
    """
    targets = {a.name for a in arguments(params) if a.kind and issubclass(a.kind, Target | Namespace)}
    words = {name: "{}" if text == said and name in targets else text for name, text in job.words.items()}
    return replace(job, words=words, line="").text
