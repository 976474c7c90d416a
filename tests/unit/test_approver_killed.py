"""An approver that dies after each thing that it does, meets another, or waits for its store: one grant, one job and one card."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.approver import service
from bot.approver.approval import State
from bot.approver.service import Work
from bot.approver.store import Store
from node_helper.changes import plan as plans
from tests.approvals import ALICE, BOB, proposal, voice
from tests.change_node import make_key
from tests.unit.conftest import RedisPlace
from tests.unit.mortal_approver import VOICES, Installation, Life, work_of
from workers.changes.proposal import CarriedOut, NodeEnd


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("approver") / "key")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder of which so many commits take no time; that they are on disk is the store's own test."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def state_is(*states: State) -> Callable[[Work], bool]:
    def so(work: Work) -> bool:
        approval = work.store.get(proposal().id)
        return approval is not None and approval.state in states

    return so


def queued(work: Work) -> bool:
    approval = work.store.get(proposal().id)
    return approval is not None and approval.granted is not None


async def test_whatever_step_is_the_last_there_is_one_grant_one_job_and_one_card(
    redis_place: RedisPlace, memory: Path, signing_key: Path
) -> None:
    lived, step = False, 0
    while not lived:
        step += 1
        place = RedisPlace(redis_place.url, redis_place.key_file, f"{redis_place.tag}-{step}")
        it = Installation(place, memory / f"{step}", signing_key)
        await it.send(proposal(), voice("approve", BOB), voice("approve", BOB, delivery="again"), voice("withdraw", ALICE))
        lived = await it.live(Life(step), queued)
        assert await it.live(Life(), queued)
        assert await it.stored() == (1, 1)
        store = Store(it.folder)
        approval = store.get(proposal().id)
        store.close()
        assert approval is not None
        assert approval.granted is not None
        jobs = it.jobs(Life())
        grant = await jobs.mail(VOICES).grant(approval.id)
        assert grant is not None
        assert (grant.plan, plans.read(grant.plan).nonce) == (approval.granted.plan, approval.granted.nonce)
        assert (await jobs.status(approval.granted.job)).job.delivery == f"grant:{approval.granted.nonce}"
        await jobs.aclose()
        await it.send(CarriedOut(approval.id, approval.granted.nonce, (NodeEnd("node-one", "done"),)))
        assert await it.live(Life(), state_is(State.DONE))
        assert list(it.office.messages) == [proposal().ts]
        assert "carried out" in it.office.messages[proposal().ts]
    assert step > 20


async def test_a_report_and_an_undo_survive_the_same(redis_place: RedisPlace, memory: Path, signing_key: Path) -> None:
    lived, step = False, 0
    while not lived:
        step += 2
        place = RedisPlace(redis_place.url, redis_place.key_file, f"{redis_place.tag}-{step}")
        it = Installation(place, memory / f"{step}", signing_key)
        await it.send(proposal(), voice("approve", BOB))
        assert await it.live(Life(), queued)
        store = Store(it.folder)
        approval = store.get(proposal().id)
        store.close()
        assert approval is not None
        assert approval.granted is not None
        report = CarriedOut(approval.id, approval.granted.nonce, (NodeEnd("node-one", "done"),))
        await it.send(report, voice("undo", ALICE, it.clock.at), report)
        lived = await it.live(Life(step), lambda work: bool((a := work.store.get(proposal().id)) and a.undo))
        assert await it.live(Life(), lambda work: bool((a := work.store.get(proposal().id)) and a.undo))
        assert await it.stored() == (2, 2)
    assert step > 10


async def test_of_two_approvers_with_stores_of_their_own_the_later_one_does_nothing(
    redis_place: RedisPlace, memory: Path, signing_key: Path
) -> None:
    first, second = Installation(redis_place, memory / "1", signing_key), Installation(redis_place, memory / "2", signing_key)
    second.clock.at += 60
    first.clock.at += 61
    first_jobs, second_jobs = first.jobs(Life()), second.jobs(Life())
    works = [work_of(it, jobs, Store(it.folder)) for it, jobs in ((first, first_jobs), (second, second_jobs))]
    earlier, later = works[1], works[0]
    for work in (earlier, later, earlier):
        await work.show()
    assert (earlier.aside, later.aside) == (False, True)
    await first.send(proposal())
    await later.listen()
    assert later.store.get(proposal().id) is None
    await earlier.listen()
    assert earlier.store.get(proposal().id) is not None
    for it in (first, second):
        it.clock.at += 100
    await later.show()
    assert not later.aside
    for work, jobs in zip(works, (first_jobs, second_jobs), strict=True):
        work.store.close()
        await jobs.aclose()


async def test_a_store_that_cannot_be_opened_yet_is_tried_again(
    redis_place: RedisPlace, memory: Path, signing_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_LOCKED_S", 0.01)
    it = Installation(redis_place, memory / "1", signing_key)
    jobs = it.jobs(Life())
    work = work_of(it, jobs, Store(it.folder))
    taken = replace(work.means, folder=memory / "a file")
    taken.folder.write_text("somebody put it there")
    going = asyncio.create_task(service.inside(taken))
    await asyncio.sleep(0.05)
    taken.folder.unlink()
    shown = None
    for _ in range(1000):
        if shown := await work.means.mail.board():
            break
        await asyncio.sleep(0.02)
    assert shown
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    work.store.close()
    await jobs.aclose()
