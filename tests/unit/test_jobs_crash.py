"""Workers that are killed or stopped in the middle: no job is lost, none is finished twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests import queue_worker
from tests.queue_parts import job, queued
from tests.unit.conftest import RedisPlace
from workers.jobs import Jobs, LostLease, State

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60


@dataclass(frozen=True)
class Fleet:
    """Worker processes, and the journal in which each writes its deeds."""

    process: subprocess.Popen[str]
    journal: Path

    def start(self) -> int:
        """One more worker; its pid."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def deeds(self) -> list[list[str]]:
        """Job, fence, deed and its text, in their order."""
        return [line.split("\t") for line in self.journal.read_text().splitlines()] if self.journal.exists() else []


@pytest.fixture
def fleet(redis_place: RedisPlace, tmp_path: Path) -> Iterator[Fleet]:
    journal = tmp_path / "journal"
    argv = [sys.executable, "-m", "tests.queue_worker", redis_place.url, str(redis_place.key_file), redis_place.tag, str(journal)]
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield Fleet(process, journal)
        os.killpg(process.pid, signal.SIGKILL)


async def test_two_hundred_jobs_survive_the_random_killing_of_their_workers(fleet: Fleet, redis_place: RedisPlace) -> None:
    async with contextlib.aclosing(redis_place.jobs(queue_worker.TERMS)) as jobs:
        asked = [(await queued(jobs)).id for _ in range(200)]
        kills = await _kill_until_done(fleet, jobs)
        assert kills > 1
        assert Counter([(await jobs.status(one)).state for one in asked]) == {State.DONE: 200}
        outcomes = {one: (await jobs.outcome(one) or b"").decode() for one in asked}
    deeds = fleet.deeds()
    assert max(Counter(deed[0] for deed in deeds if deed[2] == "finished").values()) == 1
    last_edit = {deed[0]: deed[3] for deed in deeds if deed[2] == "edited"}
    assert last_edit == outcomes


async def test_a_worker_that_slept_past_its_lease_writes_nothing_more(fleet: Fleet, redis_place: RedisPlace) -> None:
    async with contextlib.aclosing(redis_place.jobs(queue_worker.TERMS)) as jobs:
        sleeper = fleet.start()
        await queued(jobs, replace(job(), words={"do": "hold"}))
        await _until(lambda: any(deed[2] == "began" for deed in fleet.deeds()))
        os.kill(sleeper, signal.SIGSTOP)
        async with jobs.take("second", DEADLINE_S) as lease:
            assert lease is not None
            fleet.journal.with_suffix(".go").touch()
            os.kill(sleeper, signal.SIGCONT)
            await _until(lambda: any(deed[2] == "lost" for deed in fleet.deeds()))
            assert await lease.outcome() is None
            await lease.store_outcome(b"by the second")
            await lease.finish(State.DONE)
        assert await jobs.outcome(lease.job.id) == b"by the second"
    assert [deed[1:3] for deed in fleet.deeds()] == [["1", "began"], ["1", "lost"]]


async def test_an_old_fence_is_refused_whatever_it_writes(jobs: Jobs) -> None:
    asked = await queued(jobs)
    old = await jobs._taker.take("first", 5)
    assert old is not None
    async with jobs.take("second", DEADLINE_S) as lease:
        assert lease is not None
        assert (lease.job, lease.fence, lease.attempt) == (asked, 2, 2)
        writes = (
            old.place("2.0"), old.progress("x"), old.store_outcome(b"x"), old.store_bundle(b"x"), old.store_file("a", "b"),
            old.retry_later("x"), old.hand_back(), old.finish(State.DONE),
        )  # fmt: skip
        for write in writes:
            old.lost.clear()
            with pytest.raises(LostLease):
                await write
            assert old.lost.is_set()
        assert await lease.position() == f"ts-{asked.id}"
        assert await lease.outcome() is None
        await lease.finish(State.DONE)


async def test_a_heartbeat_learns_that_the_lease_is_lost(jobs: Jobs) -> None:
    await queued(jobs)
    old = await jobs._taker.take("first", 5)
    assert old is not None
    async with jobs.take("second", DEADLINE_S) as lease:
        assert lease is not None
        async with asyncio.timeout(DEADLINE_S):
            await old.keep()
        assert old.lost.is_set()
        assert not lease.lost.is_set()


async def test_a_renewed_lease_is_not_taken_over(jobs: Jobs) -> None:
    await queued(jobs)
    async with jobs.take("first") as lease, jobs.take("second", 1.0) as nothing:
        assert lease is not None
        assert nothing is None
        assert not lease.lost.is_set()


async def _kill_until_done(fleet: Fleet, jobs: Jobs) -> int:
    """Two workers at any time, one of which is killed every now and then; how many were."""
    workers, kills = [fleet.start(), fleet.start()], 0
    chance = random.Random(0)  # noqa: S311  (no secret)
    async with asyncio.timeout(DEADLINE_S):
        while any(replace(await jobs.depth(), dead=0).__dict__.values()):
            await asyncio.sleep(chance.uniform(0.05, 0.4))
            one = chance.randrange(2)
            os.kill(workers[one], signal.SIGKILL)
            workers[one] = fleet.start()
            kills += 1
    return kills


async def _until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not seen():  # noqa: ASYNC110  (other processes make it so)
            await asyncio.sleep(0.01)
