"""A change from its plan to the kernel and back, by a worker over SSH on a node with a kernel of its own; Slack is pretended."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.lab import approver
from deploy.lab.guest.join import joined
from deploy.lab.guest.node import GuestNode
from deploy.lab.lab import Lab
from deploy.lab.plan import CLUSTER
from node_helper.changes import plan as plans
from node_helper.changes.plan import VERSION, Plan
from node_helper.protocol import CannotLook
from tests.queue_parts import job, queued
from tests.unit.audit_parts import Noted
from tests.unit.changing_place import AGREED
from tests.unit.worker_parts import Remembered
from workers import seal
from workers.catalogue import all_changes, catalogue
from workers.changes import signing
from workers.changes.proposal import CarriedOut, Proposal
from workers.cluster import list_once
from workers.job import Channel, Requester
from workers.jobs import Jobs, State, opened
from workers.nodes.nodes import Nodes
from workers.objects import Cluster
from workers.settings import Settings
from workers.slack.thread import Thread
from workers.terminal import nodes_of
from workers.work.carrying import Carrying
from workers.work.proposing import Changing
from workers.work.work import Work
from workers.work.worker import Worker

pytestmark = pytest.mark.live

NAME = "node-carried"
MAXIMUM, BUCKETS = "net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets"


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[GuestNode]:
    with joined(lab, NAME) as own:
        yield own


@dataclass
class Place:
    """An installation in the lab; each job gets a worker of its own."""

    jobs: Jobs
    nodes: Nodes
    cluster: Cluster
    key: Path
    voices: seal.Seal
    slack: Remembered
    watch_s: float = 0.5

    async def run(self, command: str, **words: str) -> tuple[State, str]:
        """How a job ended, and what its message says."""
        asked = replace(job(), command=command, words=words, cluster=CLUSTER, requester=Requester("U1"))
        one = await queued(self.jobs, replace(asked, channel=Channel("C1", shared=False)))
        turns = asyncio.create_task(self._worker().take_turns(asyncio.Event()))
        async with asyncio.timeout(120):
            while not (state := (await self.jobs.status(one.id)).state).over:  # noqa: ASYNC110  (Redis tells it)
                await asyncio.sleep(0.05)
        turns.cancel()
        await asyncio.gather(turns, return_exceptions=True)
        return state, self.slack.texts[f"ts-{one.id}"]

    async def letter(self) -> Proposal | CarriedOut:
        """The newest of the approver's."""
        letter = (await self.jobs.mail(self.voices).take())[-1].letter
        assert isinstance(letter, Proposal | CarriedOut)
        return letter

    async def grant(self, plan: Plan) -> None:
        """What the approver does when somebody has agreed."""
        await self.jobs.mail().put_grant(plan.approval, await asyncio.to_thread(signing.sign, plan, self.key))

    def _worker(self) -> Worker:
        thread = Thread(self.slack)  # type: ignore[arg-type]  # as much of it as is needed here
        slot, audit, mail = self.jobs.node_slot, Noted(), self.jobs.mail()
        carrying = Carrying(mail, self.nodes, slot, thread, lambda: AGREED, audit, lambda: self.cluster, 20.0, self.watch_s)
        changing = Changing(all_changes(), mail, carrying)
        work = Work(catalogue(), lambda: self.cluster, self.nodes, slot, thread, lambda: AGREED, audit, 20.0, changing=changing)
        return Worker("w", self.jobs, work, thread)


@pytest_asyncio.fixture
async def place(lab: Lab, node: GuestNode, tmp_path: Path) -> AsyncIterator[Place]:
    said = lab.settings()
    settings = Settings(
        cluster=CLUSTER,
        kubeconfig=Path(said["NETCHECK_KUBECONFIG"]),
        ssh_config=Path(said["NETCHECK_SSH_CONFIG"]),
        data_dir=tmp_path,
    )
    key = seal.read_or_make(tmp_path / "voice.key")
    async with opened(None, tmp_path) as jobs, contextlib.aclosing(nodes_of(settings)) as nodes:
        cluster = await list_once(CLUSTER, settings.kubeconfig)
        assert node.name in cluster.nodes
        await reached(nodes)
        yield Place(jobs, nodes, cluster, approver.key(lab.folder), key, Remembered())


async def reached(nodes: Nodes) -> None:
    """On a busy machine its kernel takes long over the first login."""
    async with asyncio.timeout(90):
        while True:
            with contextlib.suppress(CannotLook):
                await nodes.hello(NAME)
                return
            await asyncio.sleep(1)


def holds(node: GuestNode) -> list[int]:
    return [int(word) for word in node.run(["sysctl", "-n", MAXIMUM, BUCKETS]).stdout.split()]


def signed_for(proposal: Proposal) -> Plan:
    draft, now = proposal.draft, int(time.time())
    return Plan(VERSION, CLUSTER, draft.key, proposal.id, secrets.token_hex(16), now, now + 600, draft.hold_s, "", draft.targets)


async def asked(place: Place, value: int) -> Plan:
    state, said = await place.run("set", setting="conntrack_max", value=str(value), nodes=NAME)
    assert state is State.DONE, said
    letter = await place.letter()
    assert isinstance(letter, Proposal), said
    return signed_for(letter)


async def test_from_the_plan_to_the_kernel_and_back(place: Place, node: GuestNode) -> None:
    first = holds(node)
    plan = await asked(place, first[0] * 8)
    assert holds(node) == first
    await place.grant(plan)
    state, said = await place.run("carry_out", approval=plan.approval)
    assert (state, holds(node)) == (State.DONE, [first[0] * 8, first[0] * 2]), said
    assert "conntrack_max is" in said
    back = plans.reverse(
        plan, (NAME,), approval=f"{plan.approval}-undo", nonce=secrets.token_hex(16), issued=plan.issued, expires=plan.expires
    )
    await place.grant(back)
    state, said = await place.run("carry_out", approval=back.approval)
    assert (state, holds(node)) == (State.DONE, first), said


async def test_the_same_grant_again_writes_nothing(place: Place, node: GuestNode) -> None:
    first = holds(node)
    plan = await asked(place, first[0] + 512)
    await place.grant(plan)
    await place.run("carry_out", approval=plan.approval)
    node.sysctl({MAXIMUM: first[0]})
    state, said = await place.run("carry_out", approval=plan.approval)
    assert holds(node) == first
    assert state is State.DONE
    assert "something else has set it" in said


async def test_what_was_changed_in_between_is_refused_and_left_alone(place: Place, node: GuestNode) -> None:
    first = holds(node)
    plan = await asked(place, first[0] + 1024)
    node.sysctl({MAXIMUM: first[0] + 1})
    await place.grant(plan)
    state, said = await place.run("carry_out", approval=plan.approval)
    assert (state, holds(node)[0]) == (State.FAILED, first[0] + 1), said
    letter = await place.letter()
    assert isinstance(letter, CarriedOut)
    assert [end.ended for end in letter.nodes] == ["refused"]
    node.sysctl({MAXIMUM: first[0]})


async def test_who_puts_it_back_while_it_is_watched_is_noticed(place: Place, node: GuestNode) -> None:
    first = holds(node)
    plan = await asked(place, first[0] + 2048)
    await place.grant(plan)
    place.watch_s = 8.0

    async def put_back() -> None:
        while holds(node)[0] == first[0]:  # noqa: ASYNC110  (another kernel's value)
            await asyncio.sleep(0.1)
        await asyncio.sleep(2.0)
        node.sysctl({MAXIMUM: first[0]})

    (_, said), _ = await asyncio.gather(place.run("carry_out", approval=plan.approval), put_back())
    assert "Something set conntrack_max" in said
