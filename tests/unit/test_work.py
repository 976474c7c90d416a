"""One job in a worker's hands: what it may ask, what is audited of it, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from node_helper.facts import conntrack_events, sandbox
from node_helper.protocol import CannotLook
from tests.queue_parts import job, queued
from tests.unit.audit_parts import Noted
from tests.unit.worker_parts import EVERYBODY, SHOP_ONLY, Nowhere, Remembered, ask_a_node, asked, until_over, worker
from workers.audit.entry import About, Kind
from workers.check import Ask, Plan, View, batch, stream
from workers.checks import catalogue
from workers.jobs import Jobs, LostLease, State
from workers.model import Shown
from workers.objects import Pod
from workers.policy import rules as policy
from workers.slack.errors import SlackAway
from workers.work.telling import age


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

    asking = replace(catalogue()["pods"], plan=ask_a_node)
    with contextlib.suppress(LostLease):  # it finds out at its next write, or just before by itself
        assert await worker(jobs, slack, nodes=Nowhere(another_is_faster), pods=asking).work.do(late) is None
    assert "0 pods" in slack.texts[f"ts-{one.id}"]


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
