"""A worker on a real queue, a Slack that only remembers what it was told, and no node that can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from node_helper.facts import sandbox
from node_helper.protocol import CannotLook
from tests.queue_parts import job
from tests.unit.audit_parts import Noted
from workers.check import Access, Ask, Check, Plan, Samples, View, ask
from workers.checks import catalogue
from workers.job import Channel, Job, Requester
from workers.jobs import Jobs, State
from workers.objects import Cluster, Pod
from workers.policy import rules as policy
from workers.slack.thread import Thread
from workers.work.work import Work
from workers.work.worker import Worker

EVERYBODY = policy.Rules((policy.Rule("all", ("U1",), frozenset(Access)),))
SHOP_ONLY = policy.Rules((policy.Rule("shop", ("U1",), frozenset(Access), namespaces=("shop",)),))


@dataclass
class Remembered:
    """Slack, as far as a worker writes to it; `away` is what it says instead of taking an edit."""

    texts: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, Sequence[Any]] = field(default_factory=dict)
    everything: dict[str, list[str]] = field(default_factory=dict)
    away: Exception | None = None

    async def post(self, channel: str, text: str, blocks: Sequence[Any], _thread: str | None) -> str:
        self.texts[ts := f"ts-{len(self.texts)}"] = text
        self.everything.setdefault(channel, []).append(f"{text} {blocks}")
        return ts

    async def write_to(self, user: str, text: str, blocks: Sequence[Any]) -> tuple[str, str]:
        return f"D-{user}", await self.post(f"D-{user}", text, blocks, None)

    async def update(self, channel: str, ts: str, text: str, blocks: Sequence[Any]) -> None:
        if self.away:
            raise self.away
        self.texts[ts], self.blocks[ts] = text, blocks
        self.everything.setdefault(channel, []).append(f"{text} {blocks}")


@dataclass
class Nowhere:
    """No node can be asked; `meanwhile` happens when somebody tries."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def ask(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> Any:
        if self.meanwhile:
            await self.meanwhile()
        raise CannotLook(f"{ask.node}: {trace} {seconds}", kind="unreachable")

    async def twice(self, ask: Ask[Any, Any], apart: float, *, trace: str, seconds: float) -> Samples[Any]:
        raise CannotLook(f"{ask.node}: {trace} {seconds} {apart}", kind="unreachable")

    async def rows(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> AsyncGenerator[Any]:
        if seconds:
            raise CannotLook(f"{ask.node}: {trace}", kind="unreachable")
        yield


def asked(command: str, **words: str) -> Job:
    return replace(job(), command=command, words=words, requester=Requester("U1"), channel=Channel("C1", shared=False))


EMPTY = Cluster("lab", "2026-01-01T00:00:00Z")


def worker(
    jobs: Jobs,
    slack: Remembered,
    rules: policy.Rules = EVERYBODY,
    nodes: Nowhere | None = None,
    cluster: Cluster = EMPTY,
    **checks: Check[Any, Any],
) -> Worker:
    known: Mapping[str, Check[Any, Any]] = {**catalogue(), **checks}

    def slot(node: str) -> AbstractAsyncContextManager[None]:
        return jobs.node_slot(node)

    thread = Thread(slack)  # type: ignore[arg-type]  # as much of it as is needed here
    work = Work(known, lambda: cluster, nodes or Nowhere(), slot, thread, lambda: rules, Noted())
    return Worker("w", jobs, work, thread)


async def until_over(jobs: Jobs, worker: Worker, one: Job) -> State:
    """Its turns, until the job has ended."""
    stopping = asyncio.Event()
    turns = asyncio.create_task(worker.take_turns(stopping))
    async with asyncio.timeout(20):
        while not (state := (await jobs.status(one.id)).state).over:
            if turns.done():
                await turns
            await asyncio.sleep(0.02)
    stopping.set()
    jobs.stop_taking()
    await turns
    return state


def ask_a_node(_params: object, _view: View) -> Plan[tuple[Pod, ...]]:
    yield from ask("node-one", sandbox.FACT, sandbox.Query("uid", "web", "default"))
    return ()
