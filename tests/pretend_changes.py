"""Nodes that can be changed, pretended: each keeps its journal and counts its writes, and something can go wrong at each step."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from node_helper.changes import plan as plans
from node_helper.changes.grant import Applied, Done, Grant
from node_helper.changes.plan import VERSION, Plan, Setting, Target
from node_helper.conntrack.counters import Cpu
from node_helper.facts import change_state, kube_proxy, sysctl_files
from node_helper.facts.change_state import ChangeState
from node_helper.facts.conntrack_stats import ConntrackStats
from node_helper.protocol import CannotLook
from workers.changes.carry_out import Apply, Each, Flow, How, Look, MayGoOn, Result, Step, Tell, Watch, carry_out
from workers.check import Ask, Samples

T = TypeVar("T")
OLD, NEW = Setting(131_072, 131_072), Setting(198_000, 131_072)
NONCE, KEY = "ab" * 16, "net.netfilter.nf_conntrack_max"
NOW = 1_767_226_200
LOST = CannotLook("the connection was lost", kind="unreachable")


def plan_for(*nodes: str, hold_s: int = 0, approval: str = "a1", nonce: str = NONCE, expires: int = NOW + 600) -> Plan:
    """From `OLD` to `NEW` on each."""
    targets = tuple(Target(node, f"{number:032x}", OLD, NEW) for number, node in enumerate(nodes, 1))
    return Plan(VERSION, "lab", KEY, approval, nonce, NOW, expires, hold_s, "", targets)


@dataclass
class Pretended:
    """One node. `apply` and `look` are what it answers instead, one after the other; a function is called with the node."""

    name: str
    setting: Setting = OLD
    journal: list[Done] = field(default_factory=list)
    writes: int = 0
    asked: int = 0
    drops: tuple[int, int, int, int] = (0, 0, 0, 0)
    apply: list[Any] = field(default_factory=list)
    look: list[Any] = field(default_factory=list)

    def state(self) -> ChangeState | CannotLook:
        """How it stands to changes."""
        instead = self._instead(self.look)
        return (
            instead if isinstance(instead, CannotLook | ChangeState) else state_of(self.name, self.setting, tuple(self.journal))
        )

    def applied(self, plan: Plan) -> Applied | CannotLook:
        """What it makes of a grant, as the helper does."""
        self.asked += 1
        instead = self._instead(self.apply)
        return self.carry_out(plan) if instead is None else instead

    def carry_out(self, plan: Plan) -> Applied:
        """Once: a nonce that is in the journal is answered from there."""
        known = next((d for d in self.journal if d.nonce == plan.nonce), None)
        if known:
            return Applied("failed" if known.state == "failed" else "", known.reason, known, again=True)
        target = plan.of(self.name)
        assert target is not None
        if self.setting != target.before:
            return Applied("changed", f"the node holds {self.setting.value}")
        self.setting, self.writes = target.after, self.writes + 1
        self.journal.append(done_of(plan, target))
        return Applied(done=self.journal[-1])

    def counters(self, number: int) -> ConntrackStats:
        """Its `number`-th sample."""
        cpus = (Cpu(0, {"drop": self.drops[min(number, 3)], "early_drop": 0}),)
        return ConntrackStats(in_use=True, evidence="", count=4210, maximum=self.setting.value, buckets=131_072, cpus=cpus)

    def _instead(self, answers: list[Any]) -> Any:
        answer = answers.pop(0) if answers else None
        return answer(self) if callable(answer) else answer


def state_of(node: str, setting: Setting, recent: tuple[Done, ...] = ()) -> ChangeState:
    """A node that offers changes."""
    return ChangeState(
        offered=True, why_not="", cluster="lab", node=node, machine_id=node.encode().hex()[:32].rjust(32, "0"),
        now=float(NOW), setting=setting, unreadable="", unwritable="", file_problem="", count=4210, entry_bytes=320,
        bucket_bytes=8, bucket_multiple=512, memory_total=8 << 30, memory_available=4 << 30, cpus_online=4, cpus_possible=4,
        systemd=True, recent=recent, lost="",
    )  # fmt: skip


def done_of(plan: Plan, target: Target, **other: Any) -> Done:
    """What a node writes down."""
    undo_at = "2026-01-01T02:10:00Z" if plan.hold_s else ""
    done = Done(
        plan.nonce, plan.approval, "done", target.before, target.after, "2026-01-01T00:10:00Z", target.after, undo_at, plan.undoes
    )
    return replace(done, **other)


def then(do: Callable[[Pretended], Any], answer: Any) -> Callable[[Pretended], Any]:
    """Something happens at the node, and this is what is heard of it."""

    def happen(node: Pretended) -> Any:
        do(node)
        return answer

    return happen


@dataclass
class Field:
    """Some nodes, and a flow on them. `against` are the answers to whether it may go on, "" when there are no more."""

    nodes: Mapping[str, Pretended]
    against: list[str] = field(default_factory=list)
    told: list[Tell] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    most: int = 0

    @classmethod
    def of(cls, *names: str) -> Field:
        """Healthy ones."""
        return cls({name: Pretended(name) for name in names})

    def run(self, plan: Plan, how: How | None = None) -> Result:
        """The whole flow."""
        return self.performed(carry_out(plan, how or How()), plan)

    def performed(self, flow: Flow[T], plan: Plan) -> T:
        """A flow, or a part of it."""
        answer: Any = None
        try:
            while True:
                answer = self._done(flow.send(answer), plan)
        except StopIteration as end:
            value: T = end.value
            return value

    def _done(self, step: Step, plan: Plan) -> Any:
        match step:
            case Look(names):
                return {name: self.nodes[name].state() for name in names}
            case Watch(names, apart):
                first = 0 if apart == 1.0 else 2
                return {n: Samples(self.nodes[n].counters(first), self.nodes[n].counters(first + 1), apart) for n in names}
            case Apply(name):
                self.order.append(name)
                return self.nodes[name].applied(plan)
            case MayGoOn():
                return self.against.pop(0) if self.against else ""
            case Each(parts):
                self.most = max(self.most, len(parts))
                return {name: self.performed(part, plan) for name, part in parts.items()}
            case Tell():
                self.told.append(step)
        return None


@dataclass
class Reached:
    """The same nodes as a worker reaches them. `meanwhile` happens before a grant is handed over."""

    nodes: Mapping[str, Pretended]
    meanwhile: Callable[[str], Awaitable[None]] | None = None

    async def ask(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> Any:  # noqa: ARG002
        said = self._said(ask)
        if isinstance(said, CannotLook):
            raise said
        return said

    async def twice(self, ask: Ask[Any, Any], apart: float, *, trace: str, seconds: float) -> Samples[Any]:  # noqa: ARG002
        node = self.nodes[ask.node]
        return Samples(node.counters(0), node.counters(0), apart)

    async def rows(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> AsyncGenerator[Any]:
        if seconds:
            raise CannotLook(f"{ask.node}: {trace}", kind="unreachable")
        yield

    async def apply(self, node: str, grant: Grant, *, trace: str, seconds: float) -> Applied:  # noqa: ARG002
        if self.meanwhile:
            await self.meanwhile(node)
        answer = self.nodes[node].applied(plans.read(grant.plan))
        if isinstance(answer, CannotLook):
            raise answer
        return answer

    def _said(self, ask: Ask[Any, Any]) -> Any:
        if ask.fact is change_state.FACT:
            state = self.nodes[ask.node].state()
            return state if isinstance(state, CannotLook) else replace(state, now=time.time())
        if ask.fact is sysctl_files.FACT:
            return sysctl_files.SysctlFiles("net/netfilter/nf_conntrack_max", (), None, ())
        said = kube_proxy.Said("refused")
        return kube_proxy.KubeProxy((), said, said, (), 0.0)
