"""An installation whose workers change pretended nodes: its queue, what Slack shows, its policy and its approver's mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.pretend_changes import Pretended, Reached
from tests.queue_parts import job, queued
from tests.unit.audit_parts import Noted
from tests.unit.worker_parts import Remembered, until_over
from workers.audit.errors import SinkAway
from workers.catalogue import all_changes, catalogue
from workers.changes.letters import Letter
from workers.changes.mail import Mail
from workers.check import Access
from workers.job import Channel, Job, Requester
from workers.jobs import Jobs, State
from workers.objects import Cluster, Node
from workers.policy import rules as policy
from workers.policy.approval import ApprovalRule, Stage
from workers.slack.thread import Thread
from workers.work.carrying import Carrying
from workers.work.proposing import Changing
from workers.work.work import Work
from workers.work.worker import Worker

NAMES = ("n1", "n2", "n3")
MAY = (policy.Rule("all", ("U1",), frozenset(Access)),)
AGREED = policy.Rules(MAY, approvals=(ApprovalRule("others agree", "set", (Stage(("U2",)),), canary=1, at_once=1),))
NODES = {name: Node(name, True, (), (), {}, "") for name in NAMES}  # noqa: FBT003  (the record's own order)
CLUSTER = Cluster("lab", "2026-01-01T00:00:00Z", nodes=NODES)


@dataclass
class Slow(Remembered):
    """A Slack where something happens while an edit is on its way, and the edit arrives after it."""

    late: Callable[[str], Awaitable[None]] | None = None

    async def update(self, channel: str, ts: str, text: str, blocks: Sequence[Any]) -> None:
        if self.late is not None:
            await self.late(ts)
        await super().update(channel, ts, text, blocks)


@dataclass
class Unsealed(Noted):
    """An audit whose sink is away."""

    async def sealed(self, seconds: float = 5.0) -> None:
        raise SinkAway(f"no sink within {seconds:g} s")


@dataclass
class Place:
    """One installation: its queue, what Slack shows, its nodes and its policy."""

    jobs: Jobs
    mail: Mail
    slack: Slow = field(default_factory=Slow)
    nodes: dict[str, Pretended] = field(default_factory=lambda: {name: Pretended(name) for name in NAMES})
    rules: policy.Rules = AGREED
    audit: Noted = field(default_factory=Noted)
    meanwhile: Callable[[str], Awaitable[None]] | None = None

    def worker(self) -> Worker:
        """One of its workers."""
        nodes, slack = Reached(self.nodes, self.meanwhile), self.slack
        thread = Thread(slack)  # type: ignore[arg-type]  # as much of it as is needed here
        slot = self.jobs.node_slot
        carrying = Carrying(self.jobs.mail(), nodes, slot, thread, lambda: self.rules, self.audit, lambda: CLUSTER, watch_s=0.01)
        changing = Changing(all_changes(), self.jobs.mail(), carrying)
        work = Work(catalogue(), lambda: CLUSTER, nodes, slot, thread, lambda: self.rules, self.audit, changing=changing)
        return Worker("w", self.jobs, work, thread)

    async def run(self, one: Job) -> State:
        """A job, by one worker."""
        return await until_over(self.jobs, self.worker(), await queued(self.jobs, one))

    async def letters(self) -> list[Letter]:
        """What the approver has in its mail."""
        return [taken.letter for taken in await self.mail.take()]

    def message(self, one: Job) -> str:
        """What stands in the thread."""
        return self.slack.texts[f"ts-{one.id}"]


def asked(command: str = "set", **words: str) -> Job:
    words = words or {"setting": "conntrack_max", "value": "198000", "nodes": "all"}
    return replace(job(), command=command, words=words, requester=Requester("U1"), channel=Channel("C1", shared=False))
