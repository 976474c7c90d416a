"""A job from intent to end, as bot and worker live it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from node_helper.protocol import CannotLook
from tests.queue_parts import QUICK, job, queued
from tests.unit.conftest import RedisPlace
from workers.jobs import Jobs, LostLease, NoSuchJob, NotPlaced, State, Terms, TooFast, TooMany

HASTY = dataclasses.replace(QUICK, lease_s=0.08, heartbeat_s=0.01)


@pytest_asyncio.fixture
async def hasty(redis_place: RedisPlace) -> AsyncIterator[Jobs]:
    """Leases that lapse sooner than any test would want to hold one."""
    async with contextlib.aclosing(redis_place.jobs(HASTY)) as it:
        yield it


async def test_a_job_reaches_a_worker_as_it_was_asked_for(jobs: Jobs) -> None:
    asked = await queued(jobs)
    async with jobs.take("w") as lease:
        assert lease is not None
        assert (lease.job, lease.attempt, lease.exhausted) == (asked, 1, "")
        assert await lease.position() == f"ts-{asked.id}"
        await lease.store_outcome(b"verdict")
        await lease.store_bundle(b"evidence")
        await lease.store_file("raw.txt", "F1")
        assert await lease.files() == {"raw.txt": "F1"}
        await lease.finish(State.DONE)
    assert (await jobs.status(asked.id)).state is State.DONE
    assert await jobs.outcome(asked.id) == b"verdict"
    assert await jobs.bundle(asked.id) == b"evidence"
    async with jobs.take("w", 0) as nothing:
        assert nothing is None


async def test_one_delivery_makes_one_job(jobs: Jobs) -> None:
    first, repeated = job(delivery="D1"), job(delivery="D1")
    answers = await asyncio.gather(*(jobs.intend(one) for one in (first, repeated, first, repeated)))
    assert set(answers) == {answers[0]}
    assert (await jobs.depth()).intended == 1


async def test_the_first_message_of_a_job_counts(jobs: Jobs) -> None:
    asked = job()
    await jobs.intend(asked)
    assert [await jobs.placed(asked.id, ts) for ts in ("1.0", "2.0")] == ["1.0", "1.0"]


async def test_a_job_is_queued_once_and_not_before_it_has_a_message(jobs: Jobs) -> None:
    asked = job()
    await jobs.intend(asked)
    with pytest.raises(NotPlaced):
        await jobs.queue(asked.id)
    await jobs.placed(asked.id, "1.0")
    await asyncio.gather(*(jobs.queue(asked.id) for _ in range(5)))
    depth = await jobs.depth()
    assert (depth.intended, depth.waiting) == (0, 1)


async def test_a_job_that_nobody_knows_is_said_to_be_unknown(jobs: Jobs) -> None:
    for call in (jobs.placed("x", "1"), jobs.queue("x"), jobs.cancel("x", "U1"), jobs.status("x"), jobs.record("x")):
        with pytest.raises(NoSuchJob):
            await call


async def test_intents_of_a_dead_bot_are_given_to_one_sweeper_each(jobs: Jobs) -> None:
    bare, posted = job(), job()
    await jobs.intend(bare)
    await jobs.intend(posted)
    await jobs.placed(posted.id, "1.0")
    assert await jobs.overdue_intents(60) == ()
    await asyncio.sleep(0.06)
    sweeps = await asyncio.gather(*(jobs.overdue_intents(0.05) for _ in range(4)))
    assert sorted((i.job.id, i.ts) for sweep in sweeps for i in sweep) == sorted([(bare.id, None), (posted.id, "1.0")])


async def test_a_person_may_have_so_many_unfinished_jobs(redis_place: RedisPlace) -> None:
    async with contextlib.aclosing(redis_place.jobs(Terms(open_per_user=2))) as jobs:
        first = await queued(jobs)
        await queued(jobs)
        with pytest.raises(TooMany, match="2 is the limit"):
            await jobs.intend(job())
        await jobs.intend(job(user="U2"))
        async with jobs.take("w") as lease:
            assert lease is not None
            await lease.finish(State.DONE)
        await jobs.intend(job())
        await jobs.cancel((await jobs.recent("U1"))[0].job.id, "U1")
        assert await jobs.intend(job())
        assert (await jobs.status(first.id)).state is State.DONE


async def test_recent_jobs_come_newest_first(jobs: Jobs) -> None:
    asked = [await queued(jobs) for _ in range(3)]
    assert [s.job for s in await jobs.recent("U1", 2)] == [asked[2], asked[1]]
    last = await jobs.last_of("U1")
    assert last is not None
    assert last.job == asked[2]
    assert await jobs.last_of("U2") is None


async def test_a_cancelled_job_that_waits_is_known_as_such_to_who_takes_it(jobs: Jobs) -> None:
    asked = await queued(jobs)
    assert await jobs.cancel(asked.id, "U9") is State.QUEUED
    async with jobs.take("w") as lease:
        assert lease is not None
        assert lease.cancelled.is_set()
        assert lease.cancelled_by == "U9"
        await lease.finish(State.CANCELLED)
    assert await jobs.cancel(asked.id, "U8") is State.CANCELLED
    assert (await jobs.status(asked.id)).cancelled_by == "U9"


async def test_an_intended_job_that_is_cancelled_stays_so_when_it_is_queued(jobs: Jobs) -> None:
    asked = job()
    await jobs.intend(asked)
    assert await jobs.cancel(asked.id, "U9") is State.INTENDED
    await jobs.placed(asked.id, "1.0")
    await jobs.queue(asked.id)
    async with jobs.take("w") as lease:
        assert lease is not None
        assert lease.cancelled.is_set()


async def test_a_running_job_hears_that_it_was_cancelled(jobs: Jobs) -> None:
    asked = await queued(jobs)
    async with jobs.take("w") as lease:
        assert lease is not None
        assert await jobs.cancel(asked.id, "U9") is State.RUNNING
        async with asyncio.timeout(5):
            await lease.cancelled.wait()
        await lease.finish(State.CANCELLED)


async def test_a_job_that_is_not_finished_is_handed_back_at_once(jobs: Jobs) -> None:
    asked = await queued(jobs)
    with pytest.raises(ZeroDivisionError):
        async with jobs.take("w1") as lease:
            raise ZeroDivisionError
    async with jobs.take("w2", 0) as lease:
        assert lease is not None
        assert (lease.job, lease.attempt, lease.fence) == (asked, 1, 2)


async def test_a_job_that_is_put_off_comes_back_as_often_as_it_takes(jobs: Jobs) -> None:
    asked = await queued(jobs)
    for _ in range(QUICK.attempts + 1):
        async with jobs.take("w") as lease:
            assert lease is not None
            assert (lease.job, lease.attempt, lease.exhausted) == (asked, 1, "")
            await lease.put_off("Slack is away", 0.01)
    assert (await jobs.status(asked.id)).reason == "Slack is away"
    assert (await jobs.depth()).later == 1


async def test_a_job_without_a_place_is_abandoned_and_never_queued(jobs: Jobs) -> None:
    asked = job()
    await jobs.intend(asked)
    await jobs.abandon(asked, "not in channel")
    await jobs.placed(asked.id, "1.0")
    await jobs.queue(asked.id)
    status = await jobs.status(asked.id)
    assert (status.state, status.reason) == (State.REFUSED, "not in channel")
    assert await jobs.overdue_intents(0) == ()
    assert await _taken(jobs, 0) is None


async def test_a_worker_that_shuts_down_takes_nothing_more(jobs: Jobs) -> None:
    waiting = asyncio.create_task(_taken(jobs, 60))
    await asyncio.sleep(0)
    jobs.stop_taking()
    async with asyncio.timeout(5):
        assert await waiting is None
    await queued(jobs)
    assert await _taken(jobs, 0) is None


async def test_attempts_end_in_a_dead_letter_after_the_thread_was_told(jobs: Jobs) -> None:
    asked = await queued(jobs)
    for attempt in range(1, QUICK.attempts + 1):
        async with jobs.take("w") as lease:
            assert lease is not None
            assert lease.attempt == attempt
            again = await lease.retry_later("node-one is away")
            assert again is (attempt < QUICK.attempts)
            if not again:
                await lease.finish(State.DEAD, "node-one is away")
    [letter] = await jobs.dead_letters()
    assert (letter.job_id, letter.reason) == (asked.id, "node-one is away")
    assert (await jobs.status(asked.id)).state is State.DEAD


async def test_a_job_that_kills_its_workers_is_given_out_to_be_said_so(hasty: Jobs) -> None:
    jobs = hasty
    asked = await queued(jobs)
    for _ in range(QUICK.attempts):
        await _die_holding(jobs)
    async with jobs.take("w") as lease:
        assert lease is not None
        assert lease.job == asked
        assert lease.exhausted == "3 workers ended in the middle of it"
        await lease.finish(State.DEAD, lease.exhausted)
    assert (await jobs.depth()).dead == 1


async def test_a_job_whose_end_cannot_even_be_said_is_buried(hasty: Jobs) -> None:
    jobs = hasty
    await queued(jobs)
    for _ in range(QUICK.attempts + 3):
        await _die_holding(jobs)
    assert await _taken(jobs, HASTY.lease_s * 4) is None
    [letter] = await jobs.dead_letters()
    assert "could not be told" in letter.reason


async def test_nothing_is_written_after_the_end(jobs: Jobs) -> None:
    await queued(jobs)
    async with jobs.take("w") as lease:
        assert lease is not None
        await lease.finish(State.DONE)
        for call in (lease.progress("x"), lease.store_outcome(b"x"), lease.finish(State.FAILED)):
            with pytest.raises(LostLease):
                await call
        assert not lease.lost.is_set()


async def test_a_node_has_so_many_places_and_those_of_the_dead_come_free(redis_place: RedisPlace) -> None:
    async with contextlib.aclosing(redis_place.jobs(Terms(node_slots=2))) as jobs:
        async with jobs.node_slot("n1"), jobs.node_slot("n1"):
            async with jobs.node_slot("n2", 0):
                pass
            with pytest.raises(CannotLook, match="n1 is being asked 2 things"):
                async with jobs.node_slot("n1", 0.05):
                    pass
            late = asyncio.create_task(_slot(jobs, "n1"))
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await late


async def _slot(jobs: Jobs, node: str) -> None:
    async with jobs.node_slot(node):
        pass


async def _taken(jobs: Jobs, block_s: float) -> str | None:
    async with jobs.take("w", block_s) as lease:
        return lease.job.id if lease else None


async def _die_holding(jobs: Jobs) -> None:
    """As a worker that is killed: takes a job, and is never heard of again."""
    assert await jobs._taker.take("doomed", 5) is not None


async def test_a_person_may_start_so_many_jobs_within_a_minute(jobs: Jobs) -> None:
    first = job()
    await jobs.intend(first, per_minute=2)
    assert await jobs.intend(dataclasses.replace(first, id="another"), per_minute=2) == first.id
    await jobs.intend(job(), per_minute=2)
    with pytest.raises(TooFast, match="you have started 2 commands within a minute, and 2 is the limit"):
        await jobs.intend(job(), per_minute=2)
    await jobs.intend(job(user="U2"), per_minute=2)
    with pytest.raises(TooMany, match="you have 2 unfinished jobs, and 1 is the limit"):
        await jobs.intend(job(), at_once=1)
