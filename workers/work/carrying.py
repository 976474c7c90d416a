"""A grant in a worker's hands: the steps of `workers.changes.carry_out`, done on the nodes, and the end of its job. I/O.

Killed anywhere, the job is another worker's, which begins with the same grant: what was done is asked of the nodes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from node_helper.changes import plan as plans
from node_helper.changes.grant import Grant
from node_helper.changes.plan import Plan
from node_helper.codec import Malformed
from workers.changes.carried_report import Carried, report
from workers.changes.carry_out import How, Tell, carry_out
from workers.changes.mail import Mail
from workers.changes.proposal import CarriedOut, NodeEnd
from workers.check import Access
from workers.job import Job
from workers.nodes.slotted import Slot, Slotted
from workers.objects import Cluster
from workers.policy import rules as policy
from workers.policy.approval import ApprovalRule, rule_for
from workers.policy.sight import Sight
from workers.queue.errors import QueueError
from workers.queue.lease import Lease
from workers.queue.status import State
from workers.redaction.discretion import Discretion
from workers.render import carrying, notices
from workers.runner import Changer
from workers.seal import Forged
from workers.slack.thread import Position, Thread
from workers.terminal import now
from workers.work.deeds import Deeds, Witness, line
from workers.work.live import Live
from workers.work.outcome import Outcome
from workers.work.telling import still_held

log = structlog.get_logger()
COMMAND = "carry_out"
"""Of the job that the approver makes of a grant; its one word is the id under which it was signed."""
CHANGE = "set"
_FAULT = "a fault of netcheck's own"


@dataclass(frozen=True)
class Carrying:
    """What carrying out needs. `snapshot` is of the cluster that this worker looks at."""

    mail: Mail
    nodes: Changer
    slot: Slot
    thread: Thread
    rules: Callable[[], policy.Rules]
    audit: Witness
    snapshot: Callable[[], Cluster]
    answer_seconds: float = 10.0
    watch_s: float = 20.0
    clock: Callable[[], float] = time.time

    async def outcome(self, lease: Lease, at: Position, told: Discretion) -> Outcome | None:
        """How it ended; None where another worker has the job, or where it has to be tried again. Raises `QueueError`."""
        run = asyncio.create_task(self._run(lease, at, told))
        lost = asyncio.create_task(lease.lost.wait())
        try:
            await asyncio.wait({run, lost}, return_when=asyncio.FIRST_COMPLETED)
            return await run if run.done() else None
        finally:
            for task in (run, lost):
                task.cancel()
            await asyncio.gather(run, lost, return_exceptions=True)

    async def _run(self, lease: Lease, at: Position, told: Discretion) -> Outcome | None:
        job = lease.job
        try:
            grant = await self.mail.grant(job.words.get("approval", ""))
            plan = None if grant is None else self._plan(job, grant)
        except (Forged, Malformed) as e:
            log.error("grant_refused", reason=str(e))  # noqa: TRY400  (hostile data, no fault of ours)
            return Outcome(State.REFUSED, notices.refused(f"this grant is not one of the approver's: {e}"), str(e))
        if grant is None or plan is None:
            reason = "its grant is not there any more, so this worker asked no node"
            return Outcome(State.FAILED, notices.failed(job.id, job.text, reason), reason)
        try:
            return await self._carried(lease, at, told, grant, plan)
        except QueueError:
            raise
        except Exception:  # our own fault, whatever it was: said honestly, logged whole
            log.exception("carry_out_failed", attempt=lease.attempt)
            return None if not lease.exhausted and await lease.retry_later(_FAULT) else _not_known(job, plan)

    def _plan(self, job: Job, grant: Grant) -> Plan:
        """What was signed. Raises `Malformed`; whether the signature is good is for the nodes to say."""
        plan = plans.read(grant.plan)
        if plan.approval != job.words.get("approval") or plan.cluster != job.cluster:
            raise Malformed("is another approval's, or of another cluster", "grant")
        return plan

    async def _carried(self, lease: Lease, at: Position, told: Discretion, grant: Grant, plan: Plan) -> Outcome:
        began = time.monotonic()
        rule = rule_for(self.rules(), CHANGE, plan.cluster, (t.node for t in plan.targets))
        how = How(watch_s=self.watch_s)
        if isinstance(rule, ApprovalRule):
            how = replace(how, canary=rule.canary, at_once=rule.at_once)
        live = Live(self.thread, at, lambda: still_held(lease))

        def tell(step: Tell) -> None:
            if not told.redacted:
                live.show(carrying.message(lease.job.id, line(plan), step, time.monotonic() - began))

        async with live, Slotted(self.nodes, self.slot) as nodes:
            deeds = Deeds(lease, grant, plan, nodes, tell, self.audit, lambda: self.against(lease, plan), self.answer_seconds)
            result = await deeds.performed(carry_out(plan, how))
        carried = Carried(plan, result, line(plan), time.monotonic() - began, how.watch_s, now())
        said = told.report(report(carried), self.snapshot(), entitled=False, once=True)
        log.info("carried_out", approval=plan.approval, ends=",".join(f"{e.node}={e.ended}" for e in result.ends))
        return Outcome(
            State.DONE if all(end.ended == "done" for end in result.ends) else State.FAILED,
            said.here,
            result.stopped,
            carried=CarriedOut(plan.approval, plan.nonce, result.ends),
        )

    def against(self, lease: Lease, plan: Plan) -> str:
        """Why no more nodes may be changed now; "" where nothing is against it."""
        job = lease.job
        if lease.cancelled.is_set():
            return f"cancelled by {lease.cancelled_by}"
        if lease.exhausted:
            return lease.exhausted
        if job.cluster != self.snapshot().name:
            return f"this worker looks at the cluster {self.snapshot().name}, not at {job.cluster}"
        decision = Sight(self.rules(), job, Access.CHANGE).decide()
        if not decision.allowed:
            return f"who asked for it may not do so any more: {decision.reason}"
        if self.clock() >= plan.expires:
            return "the grant has expired"
        return ""


def _not_known(job: Job, plan: Plan) -> Outcome:
    """Nobody can say what nodes hold, and that is what is said."""
    reason = f"netcheck failed at this: what the nodes hold is in their journals. Its log has the reason under {job.trace}."
    ends = tuple(NodeEnd(t.node, "unreachable", _FAULT) for t in plan.targets)
    carried = CarriedOut(plan.approval, plan.nonce, ends)
    return Outcome(State.DEAD, notices.failed(job.id, job.text, reason), _FAULT, carried=carried)
