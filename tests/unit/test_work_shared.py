"""A job's answer where others read the channel: nothing is named there, and the person gets the rest alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.queue_parts import queued
from tests.unit.worker_parts import Nowhere, Remembered, ask_a_node, asked, until_over, worker
from workers.check import Access
from workers.checks import catalogue
from workers.job import Channel, Job
from workers.jobs import Jobs, State
from workers.objects import Cluster, Pod
from workers.policy import rules as policy

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
    asking = replace(catalogue()["pods"], plan=ask_a_node)
    working = worker(jobs, slack, policy.Rules((OPEN,)), Nowhere(others_come), SHOP, pods=asking)
    assert await until_over(jobs, working, one) is State.REFUSED
    assert "others came to read this channel" in slack.everything["C1"][-1]


async def test_a_channel_whose_profile_is_full_is_told_everything(jobs: Jobs) -> None:
    slack, one = Remembered(), replace(in_shared("pods", namespace="shop"), redacted=False)
    await queued(jobs, one)
    rules = policy.Rules((JOINT,), {"C1": policy.Defaults(redacted=False)})
    await until_over(jobs, worker(jobs, slack, rules, cluster=SHOP), one)
    assert "pxtzt" in "".join(slack.everything["C1"])
