"""The steps of `workers.changes.carry_out`, done: nodes asked, grants handed over, and the audit told before and after. I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from node_helper.changes.grant import Applied, Grant
from node_helper.changes.plan import Plan
from node_helper.facts import change_state, conntrack_stats
from node_helper.protocol import CannotLook
from workers.audit.entry import About, Kind
from workers.audit.errors import AuditAway, SinkAway
from workers.audit.trail import Trail
from workers.changes.carry_out import Apply, Each, Flow, Look, MayGoOn, Step, Tell, Watch
from workers.check import Ask, Batch, Effect, Twice
from workers.nodes.slotted import Slotted
from workers.queue.lease import Lease
from workers.runner import FromNodes

log = structlog.get_logger()
T = TypeVar("T")


class Witness(Trail, Protocol):
    """The audit, as those need it who change something."""

    async def sealed(self, seconds: float = 5.0) -> Any:
        """All that was appended is stored, and its head is outside Redis. Raises `AuditAway`, `SinkAway`."""


@dataclass(frozen=True)
class Deeds:
    """Those of one run. `against` says why no more nodes may be changed now, "" where nothing is against it."""

    lease: Lease
    grant: Grant
    plan: Plan
    nodes: Slotted
    tell: Callable[[Tell], None]
    audit: Witness
    against: Callable[[], str]
    answer_seconds: float

    async def performed(self, flow: Flow[T]) -> T:
        """Do every step until the flow has its end."""
        answer: Any = None
        try:
            while True:
                answer = await self._done(flow.send(answer))
        except StopIteration as end:
            value: T = end.value
            return value

    async def _done(self, step: Step) -> Any:
        match step:
            case Look(nodes):
                return await self._asked(Batch({n: Ask(n, change_state.FACT, change_state.Query()) for n in nodes}))
            case Watch(nodes, apart):
                if self.lease.cancelled.is_set():
                    return {}
                asks = {n: Ask(n, conntrack_stats.FACT, conntrack_stats.Query()) for n in nodes}
                return await self._asked(Twice(asks, apart))
            case Apply(node):
                return await self._apply(node)
            case MayGoOn():
                return self.against() or await self._witnessed()
            case Each(parts):
                return await self._each(parts)
            case Tell():
                return self.tell(step)

    def _note(self, kind: Kind, **said: str) -> None:
        job = self.lease.job
        about = About(job.requester.user, job.channel.id, job.cluster, self.plan.approval, job.trace)
        self.audit.append(kind, about, {"nonce": self.plan.nonce, **said})

    async def _witnessed(self) -> str:
        """What is about to be done is in the audit, and its head outside Redis; else why not, and nothing is done."""
        self._note(Kind.EXECUTION, line=line(self.plan), attempt=str(self.lease.attempt))
        try:
            await self.audit.sealed()
        except (AuditAway, SinkAway) as e:
            return f"the audit is not sealed: {e}"
        return ""

    async def _asked(self, effect: Effect) -> Any:
        return await FromNodes(self.nodes, self.lease.job.trace, self.answer_seconds).perform(effect)

    async def _apply(self, node: str) -> Applied | CannotLook:
        await self.lease.progress(f"changing {node}")  # a worker that slept past its lease hands over nothing more
        log.info("grant_handed_over", node=node, approval=self.plan.approval, nonce=self.plan.nonce)
        try:
            answer = await self.nodes.apply(node, self.grant, trace=self.lease.job.trace, seconds=self.answer_seconds)
        except CannotLook as cannot:
            log.warning("grant_answer_lost", node=node, reason=cannot.reason)
            self._note(Kind.EXECUTION, node=node, lost=cannot.reason)
            return cannot
        refused = answer.refusal not in ("", "failed")  # what failed may have been written, and put back
        self._note(Kind.REFUSAL if refused else Kind.READ_BACK, node=node, **_told(answer))
        return answer

    async def _each(self, parts: Mapping[str, Flow[Any]]) -> dict[str, Any]:
        tasks = [asyncio.create_task(self.performed(part)) for part in parts.values()]
        try:
            return dict(zip(parts, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def line(plan: Plan) -> str:
    """What is done, as a person would say it."""
    values = ",".join(sorted({str(t.after.value) for t in plan.targets}))
    undo = f" (undoing approval {plan.approval.removesuffix('-undo')})" if plan.undoes else ""
    return f"set conntrack_max {values} on {','.join(t.node for t in plan.targets)}{undo}"


def _told(answer: Applied) -> dict[str, str]:
    """What a node said, for the audit."""
    if answer.refusal or answer.done is None:
        return {"refusal": answer.refusal, "reason": answer.reason}
    done = answer.done
    found = str(done.found.value) if done.found else ""
    values = {"old": str(done.before.value), "new": str(done.after.value), "found": found}
    return {"state": done.state, **values, "again": str(answer.again)}
