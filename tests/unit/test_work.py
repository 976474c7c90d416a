"""One job in a worker's hands, on a real queue and a Slack that only remembers what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from node_helper.facts import conntrack_events, sandbox
from node_helper.protocol import CannotLook
from tests.queue_parts import job, queued
from tests.unit.audit_parts import Noted
from workers.audit.entry import About, Kind
from workers.check import Access, Ask, Check, Plan, Samples, View, ask, batch, stream
from workers.checks import catalogue
from workers.job import Channel, Job, Requester
from workers.jobs import Jobs, LostLease, State
from workers.model import Shown
from workers.objects import Cluster, Pod
from workers.policy import rules as policy
from workers.slack.errors import SlackAway
from workers.slack.thread import Thread
from workers.work.telling import age
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


async def test_a_namespace_that_is_not_theirs_is_refused_and_not_empty(jobs: Jobs) -> None:
    slack = Remembered()
    one = await queued(jobs, asked("pods", namespace="pay"))
    assert await until_over(jobs, worker(jobs, slack, SHOP_ONLY), one) is State.REFUSED
    assert "you may not ask about the namespace pay" in slack.texts[f"ts-{one.id}"]


async def test_what_was_decided_and_looked_at_is_audited(jobs: Jobs) -> None:
    one, asking = await queued(jobs, asked("pods")), worker(jobs, Remembered())
    await until_over(jobs, asking, one)
    assert isinstance(asking.work.audit, Noted)
    (decision, who, why), (execution, _, seen) = asking.work.audit.entries
    assert (decision, execution) == (Kind.DECISION, Kind.EXECUTION)
    assert who == About("U1", "C1", "lab", one.id, one.trace)
    assert why == {"line": "pods", "reason": "rule 'all' grants READ"}
    assert seen["verdict"] == "healthy"


async def test_what_named_nothing_is_audited_as_an_end(jobs: Jobs) -> None:
    one, asking = await queued(jobs, asked("pod", pod="web")), worker(jobs, Remembered())
    await until_over(jobs, asking, one)
    assert isinstance(asking.work.audit, Noted)
    assert [kind for kind, _, _ in asking.work.audit.entries] == [Kind.DECISION, Kind.END]


async def test_what_was_refused_is_audited_with_its_reason(jobs: Jobs) -> None:
    one, asking = await queued(jobs, asked("pods", namespace="pay")), worker(jobs, Remembered(), SHOP_ONLY)
    await until_over(jobs, asking, one)
    assert isinstance(asking.work.audit, Noted)
    (kind, _, said), (end, _, _) = asking.work.audit.entries
    assert end is Kind.END
    assert (kind, said["line"]) == (Kind.REFUSAL, "pods namespace=pay")
    assert "you may not ask about the namespace pay" in said["reason"]


async def test_what_is_watched_ends_with_what_was_seen_when_somebody_cancels(jobs: Jobs) -> None:
    slack, nodes = Remembered(), Watching()
    one = await queued(jobs, asked("watch"))
    watch = replace(
        catalogue()["pods"], plan=_watch, judge=lambda *_: iter(()), show=lambda _p, _v, seen: Shown(f"saw {seen}", {})
    )
    over = asyncio.create_task(until_over(jobs, worker(jobs, slack, nodes=nodes, watch=watch), one))
    await nodes.waiting.wait()
    await jobs.cancel(one.id, "U0BOB")
    assert await over is State.CANCELLED
    assert "saw 3" in slack.texts[f"ts-{one.id}"]
    assert "stopped by <@U0BOB>" in json.dumps(slack.blocks[f"ts-{one.id}"])


class Watching(Nowhere):
    """Three rows, and then nothing more for a long time."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = asyncio.Event()

    async def rows(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> AsyncGenerator[Any]:
        assert (ask.node, bool(trace), seconds) == ("node-one", True, 310.0)
        for number in range(3):
            yield number
        self.waiting.set()
        await asyncio.Event().wait()


def _watch(_params: object, _view: View) -> Plan[int | CannotLook]:
    asking = Ask("node-one", conntrack_events.FACT, conntrack_events.Query(300.0))
    return (yield from stream(asking, 0, lambda count, _row: count + 1, 300.0))


async def test_what_is_not_found_in_a_part_of_the_cluster_is_said_so(jobs: Jobs) -> None:
    slack = Remembered()
    one = await queued(jobs, asked("pod", pod="web"))
    await until_over(jobs, worker(jobs, slack, SHOP_ONLY), one)
    assert "as far as you may see" in slack.texts[f"ts-{one.id}"]


async def test_a_job_of_another_cluster_is_not_answered_from_this_one(jobs: Jobs) -> None:
    slack = Remembered()
    one = await queued(jobs, replace(asked("pods"), cluster="production"))
    await until_over(jobs, worker(jobs, slack), one)
    assert "looks at the cluster lab, not at production" in slack.texts[f"ts-{one.id}"]


async def test_a_worker_that_loses_the_job_in_the_middle_leaves_the_others_result(jobs: Jobs) -> None:
    """An edit of its progress reached Slack after the other's result, and only then it finds out."""
    slack = Remembered()
    one = await queued(jobs, asked("pods"))
    late = await jobs._taker.take("late", 5)  # without a heartbeat, as if it was stopped
    assert late is not None

    async def another_is_faster() -> None:
        await until_over(jobs, worker(jobs, slack), one)
        slack.texts[f"ts-{one.id}"] = "asking 1 node"

    asking = replace(catalogue()["pods"], plan=_ask_a_node)
    with contextlib.suppress(LostLease):  # it finds out at its next write, or just before by itself
        assert await worker(jobs, slack, nodes=Nowhere(another_is_faster), pods=asking).work.do(late) is None
    assert "0 pods" in slack.texts[f"ts-{one.id}"]


def _ask_a_node(_params: object, _view: View) -> Plan[tuple[Pod, ...]]:
    yield from ask("node-one", sandbox.FACT, sandbox.Query("uid", "web", "default"))
    return ()


@pytest.mark.parametrize("away", [SlackAway("away", after_s=1000.0), ValueError("ours")])
async def test_a_lost_job_that_cannot_be_told_ends_no_worker(jobs: Jobs, away: Exception) -> None:
    slack = Remembered(away=away)
    await queued(jobs, asked("pods"))
    async with jobs.take("slow", 5) as lease:
        assert lease is not None
        lease.lost.set()
        await worker(jobs, slack)._one(lease)


async def test_a_result_that_cannot_be_sent_for_our_own_fault_is_given_up_in_the_end(jobs: Jobs) -> None:
    one = await queued(jobs, asked("pods"))
    with structlog.testing.capture_logs() as logged:
        assert await until_over(jobs, worker(jobs, Remembered(away=ValueError("ours"))), one) is State.DEAD
    assert "job_not_told" in [line["event"] for line in logged]


def test_the_age_of_a_job_has_its_milliseconds() -> None:
    created = (datetime.now(UTC) - timedelta(milliseconds=1500)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert 1.5 <= age(replace(job(), created=created)) < 1000


async def test_a_command_that_would_ask_more_nodes_than_policy_allows_asks_none(jobs: Jobs) -> None:
    async def fails() -> None:
        pytest.fail("a node was asked")

    slack, few = Remembered(), replace(EVERYBODY, limits=policy.Limits(nodes_per_command=1))
    one = await queued(jobs, asked("pods"))
    asking = replace(catalogue()["pods"], plan=_ask_two_nodes)
    await until_over(jobs, worker(jobs, slack, few, nodes=Nowhere(fails), pods=asking), one)
    assert "this would ask 2 nodes, and the policy allows 1" in slack.texts[f"ts-{one.id}"]


def _ask_two_nodes(_params: object, _view: View) -> Plan[tuple[Pod, ...]]:
    yield from batch({node: Ask(node, sandbox.FACT, sandbox.Query("uid", "web", "default")) for node in ("one", "two")})
    return ()


JOINT = policy.Rule("joint", ("U1",), frozenset(Access), ("C1",), shared_channels=True)
OPEN = policy.Rule("open", ("U1",), frozenset({Access.READ}))
WEB = Pod(
    "shop", "web-5b446dd74b-pxtzt", "uid", "node-one", "Running", ("10.244.1.4",), "172.18.0.3", "2026-01-01T00:00:00Z", {},
    host_network=False, containers=(),
)  # fmt: skip
SHOP = Cluster("lab", "2026-01-01T00:00:00Z", pods={WEB.key: WEB})
SECRETS = ("pxtzt", "10.244.1.4", "node-one", "shop")


def in_shared(command: str, **words: str) -> Job:
    return replace(asked(command, **words), channel=Channel("C1", shared=True), redacted=True)


@pytest.mark.parametrize(
    "one",
    [
        in_shared("pods", namespace="all"),
        in_shared("pods", namespace="shop"),
        in_shared("pod", pod="web-5b446dd74b"),
        in_shared("pod", pod="shop/web-5b446dd74b-pxtzz"),
        in_shared("ping", host="10.244.1.4", source="shop/web-5b446dd74b-pxtzt"),
        in_shared("conntrack", target="node-one"),
        replace(in_shared("pods", namespace="shop"), cluster="shop"),
    ],
    ids=lambda job: " ".join([job.command, *job.words.values()]),
)
async def test_where_others_read_nothing_is_named_and_the_person_gets_the_rest_alone(jobs: Jobs, one: Job) -> None:
    slack = Remembered()
    await queued(jobs, one)
    await until_over(jobs, worker(jobs, slack, policy.Rules((JOINT, OPEN)), cluster=SHOP), one)
    assert [secret for secret in SECRETS for said in slack.everything["C1"] if secret in said] == []
    directly = "".join(slack.everything.get("D-U1", []))
    assert "netcheck_run" not in directly
    if one.command == "pods" and one.cluster == "lab":
        assert "web-5b446dd74b-pxtzt" in directly
        assert f"again {one.id}" in "".join(slack.everything["C1"])


async def test_who_may_not_see_it_elsewhere_gets_no_direct_message(jobs: Jobs) -> None:
    slack, one = Remembered(), in_shared("pods", namespace="shop")
    await queued(jobs, one)
    await until_over(jobs, worker(jobs, slack, policy.Rules((JOINT,)), cluster=SHOP), one)
    assert list(slack.everything) == ["C1"]


async def test_a_refusal_where_others_read_names_no_namespace(jobs: Jobs) -> None:
    slack, one = Remembered(), in_shared("pods", namespace="pay")
    await queued(jobs, one)
    rules = policy.Rules((replace(JOINT, namespaces=("shop-*",)),))
    assert await until_over(jobs, worker(jobs, slack, rules), one) is State.REFUSED
    said = "".join(slack.everything["C1"])
    assert "the policy does not allow that in this channel" in said
    assert [word for word in ("shop", "pay") if word in said] == []


async def test_a_channel_that_others_came_to_read_since_counts_as_shared(jobs: Jobs) -> None:
    slack, one = Remembered(), asked("pods", namespace="shop")
    await queued(jobs, one)
    await jobs.channels.mark("C1", shared=True)
    assert await until_over(jobs, worker(jobs, slack, policy.Rules((OPEN,)), cluster=SHOP), one) is State.REFUSED
    assert "pxtzt" not in "".join(slack.everything["C1"])


async def test_an_answer_that_was_made_before_others_came_is_not_said(jobs: Jobs) -> None:
    async def others_come() -> None:
        await jobs.channels.mark("C1", shared=True)

    slack, one = Remembered(), asked("pods", namespace="shop")
    await queued(jobs, one)
    asking = replace(catalogue()["pods"], plan=_ask_a_node)
    working = worker(jobs, slack, policy.Rules((OPEN,)), Nowhere(others_come), SHOP, pods=asking)
    assert await until_over(jobs, working, one) is State.REFUSED
    assert "others came to read this channel" in slack.everything["C1"][-1]


async def test_a_channel_whose_profile_is_full_is_told_everything(jobs: Jobs) -> None:
    slack, one = Remembered(), replace(in_shared("pods", namespace="shop"), redacted=False)
    await queued(jobs, one)
    rules = policy.Rules((JOINT,), {"C1": policy.Defaults(redacted=False)})
    await until_over(jobs, worker(jobs, slack, rules, cluster=SHOP), one)
    assert "pxtzt" in "".join(slack.everything["C1"])
