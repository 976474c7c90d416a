"""Changes in a worker's hands, on a real queue: what the approver is told, what the message says, and whose it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from node_helper.changes import plan as plans
from node_helper.changes.grant import Grant
from tests.pretend_changes import LOST, NEW, OLD, plan_for
from tests.queue_parts import queued
from tests.unit.changing_place import AGREED, CLUSTER, MAY, NAMES, Place, Unsealed, asked
from tests.unit.conftest import RedisPlace
from tests.unit.worker_parts import until_over
from workers import seal
from workers.audit.entry import Kind
from workers.changes.letters import Letter
from workers.changes.mail import Mail
from workers.changes.proposal import CarriedOut, Proposal
from workers.check import Access
from workers.job import Channel, Job
from workers.jobs import Jobs, State
from workers.policy import rules as policy
from workers.policy.approval import ApprovalRule, Stage
from workers.queue.errors import LostLease
from workers.seal import Key, Seal


@pytest.fixture
def place(jobs: Jobs, redis_place: RedisPlace) -> Place:
    return Place(jobs, jobs.mail(seal.read(redis_place.key_file)))


async def granted(place: Place, **other: Any) -> Job:
    """A job of the approver's, and its grant."""
    plan = replace(plan_for(*NAMES, expires=1 << 39), **other)
    await place.mail.put_grant(plan.approval, Grant(plans.canonical(plan), "a signature"))
    return asked("carry_out", approval=plan.approval)


def ends(letter: Letter) -> dict[str, str]:
    assert isinstance(letter, CarriedOut)
    return {end.node: end.ended for end in letter.nodes}


async def test_a_plan_goes_to_the_approver_once_and_its_message_waits(place: Place) -> None:
    one = asked()
    assert await place.run(one) is State.DONE
    (letter,) = await place.letters()
    assert isinstance(letter, Proposal)
    assert (letter.job.id, letter.ts, [t.node for t in letter.draft.targets]) == (one.id, f"ts-{one.id}", list(NAMES))
    assert {(t.before, t.after) for t in letter.draft.targets} == {(OLD, NEW)}
    assert "conntrack_max can be set to 198,000" in place.message(one)
    assert all(node.writes == 0 for node in place.nodes.values())


async def test_whoever_takes_over_after_the_message_was_handed_over_does_not_write_over_the_approvers_card(place: Place) -> None:
    one = await queued(place.jobs, asked())
    first = place.worker()
    assert first.work.changing is not None
    dying: Any = _Dying(first.work.changing.mail)
    changing = replace(first.work.changing, mail=dying)
    async with place.jobs.take("first", 5) as lease:
        assert lease is not None
        with pytest.raises(_Died):
            await replace(first.work, changing=changing).do(lease)
    place.slack.texts[f"ts-{one.id}"] = "the approver's card"
    assert await until_over(place.jobs, place.worker(), one) is State.DONE
    assert place.message(one) == "the approver's card"
    assert {letter.id for letter in await place.letters() if isinstance(letter, Proposal)} == {one.id}


async def test_a_worker_whose_last_edit_came_after_the_card_has_it_drawn_again(place: Place) -> None:
    one = await queued(place.jobs, asked())
    late = await place.jobs._taker.take("late", 5)  # without a heartbeat, as if it was stopped
    assert late is not None

    async def another_is_faster(_ts: str) -> None:
        place.slack.late = None
        await until_over(place.jobs, place.worker(), one)
        place.slack.texts[f"ts-{one.id}"] = "the approver's card"

    place.slack.late = another_is_faster
    with pytest.raises(LostLease):
        await place.worker().work.do(late)
    assert place.message(one) != "the approver's card"
    assert [letter.id for letter in await place.letters() if isinstance(letter, Proposal)] == [one.id, one.id]


async def test_a_plan_that_something_stands_against_goes_to_nobody(place: Place) -> None:
    place.nodes["n2"].look = [LOST]
    one = asked()
    assert await place.run(one) is State.DONE
    assert await place.letters() == []
    assert "cannot tell" in place.message(one)


ONLY_ME = ApprovalRule("only me", "set", (Stage(("U1",)),))
ELSEWHERE = ApprovalRule("other nodes", "set", (Stage(("U2",)),), nodes=("x*",))


@pytest.mark.parametrize("approvals", [(), (ONLY_ME,), (ELSEWHERE,)])
async def test_a_plan_that_nobody_can_approve_is_refused_before_anybody_is_asked(
    place: Place, approvals: tuple[ApprovalRule, ...]
) -> None:
    place.rules = policy.Rules(MAY, approvals=approvals)
    one = asked()
    assert await place.run(one) is State.DONE
    assert await place.letters() == []
    assert "Nobody can approve this" in place.message(one)


SHARED = replace(AGREED, rules=(policy.Rule("all", ("U1",), frozenset(Access), ("C1",), shared_channels=True),))


async def test_where_others_read_no_change_is_asked_for(place: Place) -> None:
    place.rules = SHARED
    one = replace(asked(), channel=Channel("C1", shared=True))
    assert await place.run(one) is State.REFUSED
    assert await place.letters() == []


async def test_where_others_came_to_read_nothing_more_is_changed_and_no_node_is_named(place: Place) -> None:
    place.rules = SHARED
    one = replace(await granted(place), channel=Channel("C1", shared=True))
    assert await place.run(one) is State.FAILED
    (letter,) = await place.letters()
    assert ends(letter) == dict.fromkeys(NAMES, "skipped")
    assert not any(f" {name}" in place.message(one) for name in NAMES)


async def test_a_grant_is_carried_out_and_reported(place: Place) -> None:
    one = await granted(place)
    assert await place.run(one) is State.DONE
    (letter,) = await place.letters()
    assert ends(letter) == dict.fromkeys(NAMES, "done")
    assert all((node.setting, node.writes) == (NEW, 1) for node in place.nodes.values())
    assert "conntrack_max is 198,000 on n1, n2, n3" in place.message(one)
    kinds = [kind for kind, about, _ in place.audit.entries if about.subject == "a1"]
    assert kinds.count(Kind.READ_BACK) == len(NAMES)
    assert kinds[0] is Kind.EXECUTION


async def test_a_node_that_refuses_is_said_so_and_the_rest_is_left_alone(place: Place) -> None:
    place.nodes["n2"].setting = NEW
    one = await granted(place)
    assert await place.run(one) is State.FAILED
    (letter,) = await place.letters()
    assert ends(letter) == {"n1": "done", "n2": "refused", "n3": "skipped"}
    assert place.nodes["n3"].asked == 0
    refusals = [said for kind, about, said in place.audit.entries if kind is Kind.REFUSAL and about.subject == "a1"]
    assert [(said["node"], said["refusal"]) for said in refusals] == [("n2", "changed")]


async def test_a_cancelled_one_stops_before_the_next_node(place: Place) -> None:
    one = await granted(place)

    async def cancel(node: str) -> None:
        if node == "n2":
            await place.jobs.cancel(one.id, "U9")
            await asyncio.sleep(0.3)  # several heartbeats

    place.meanwhile = cancel
    assert await place.run(one) is State.FAILED
    (letter,) = await place.letters()
    assert ends(letter) == {"n1": "done", "n2": "done", "n3": "skipped"}
    assert "U9" in str(letter)


@pytest.mark.parametrize(
    "why", ["the grant has expired", "may not do so any more", "the audit is not sealed", "looks at the cluster"]
)
async def test_what_must_not_be_begun_is_not_and_the_reason_is_told(place: Place, why: str) -> None:
    other: dict[str, Any] = {}
    if "expired" in why:
        other = {"expires": 1_767_226_201}
    elif "any more" in why:
        place.rules = policy.Rules(())
    elif "sealed" in why:
        place.audit = Unsealed()
    one = await granted(place, **other)
    worker = place.worker()
    if "cluster" in why:
        assert worker.work.changing is not None
        elsewhere = replace(worker.work.changing.carrying, snapshot=lambda: replace(CLUSTER, name="another"))
        worker = replace(worker, work=replace(worker.work, changing=replace(worker.work.changing, carrying=elsewhere)))
    assert await until_over(place.jobs, worker, await queued(place.jobs, one)) is State.FAILED
    (letter,) = await place.letters()
    assert ends(letter) == dict.fromkeys(NAMES, "skipped")
    assert why in str(letter)
    assert all(node.asked == 0 for node in place.nodes.values())


async def test_a_grant_that_is_gone_is_said_so(place: Place) -> None:
    one = asked("carry_out", approval="a7")
    assert await place.run(one) is State.FAILED
    assert "not there any more" in place.message(one)


async def test_a_grant_that_somebody_wrote_into_redis_is_no_grant(place: Place) -> None:
    one = await granted(place)
    forger = Mail(place.jobs.server, place.jobs.keys, Seal((Key("k1", b"f" * 32),)))
    await forger.put_grant("a1", Grant(plans.canonical(plan_for(*NAMES)), "a signature"))
    assert await place.run(one) is State.REFUSED
    assert all(node.asked == 0 for node in place.nodes.values())


@pytest.mark.parametrize("other", [{"approval": "a2"}, {"cluster": "another"}])
async def test_a_grant_of_something_else_is_not_carried_out(place: Place, other: dict[str, str]) -> None:
    plan = replace(plan_for(*NAMES, expires=1 << 39), **other)  # type: ignore[arg-type]  # both are words
    await place.mail.put_grant("a1", Grant(plans.canonical(plan), "a signature"))
    assert await place.run(asked("carry_out", approval="a1")) is State.REFUSED
    assert all(node.asked == 0 for node in place.nodes.values())


async def test_a_fault_of_our_own_is_told_to_the_approver_as_what_is_not_known(place: Place) -> None:
    one = await granted(place)
    place.nodes["n2"].apply = [ValueError("ours")] * 9
    assert await place.run(one) is State.DEAD
    (letter,) = await place.letters()
    assert set(ends(letter).values()) == {"unreachable"}
    assert "what the nodes hold is in their journals" in place.message(one)


class _Died(Exception):
    pass


class _Dying:
    """The worker ends after the letter went out."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    async def send(self, letter: Letter) -> None:
        await self._mail.send(letter)
        raise _Died
