"""The queue on the embedded, fsyncing Redis: small jobs from intent to end a second, and how soon one starts.

The bot's side runs in this process, the worker's in another one for the throughput, in this one for the delay, which is taken
at a calm pace.
"""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._rows import Row, milliseconds, rate
from workers.job import Channel, Job, Requester
from workers.jobs import Jobs, State, Terms, opened

IDS = {
    "queue-jobs": "small jobs a second: intended, placed, queued, taken, finished; every write fsynced",
    "queue-start": "from queued to taken by a waiting worker",
}
JOBS = 1500
BATCHES = 4
PEOPLE = 32
HANDS = 16
CALM = 400
PAUSE_S = 0.005
TERMS = Terms(open_per_user=10**6)
TARGET_JOBS_S = 200
TARGET_START_MS = 50


def rows() -> Iterator[Row]:
    """Jobs a second, and the delay of one."""
    with tempfile.TemporaryDirectory() as folder:
        rates, delays = asyncio.run(_measure(Path(folder)))
    yield rate("queue-jobs", IDS["queue-jobs"], rates, TARGET_JOBS_S)
    yield milliseconds("queue-start", IDS["queue-start"], delays, TARGET_START_MS)


async def _measure(folder: Path) -> tuple[list[float], list[float]]:
    async with opened(None, folder, terms=TERMS) as jobs:
        return await _throughput(jobs, folder), [await _delay(jobs) for _ in range(CALM)]


async def _throughput(jobs: Jobs, folder: Path) -> list[float]:
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.queue", str(folder), stdout=subprocess.PIPE)
    assert worker.stdout
    await worker.stdout.readline()
    try:
        return [await _batch(jobs) for _ in range(BATCHES)]
    finally:
        worker.terminate()
        await worker.wait()


async def _batch(jobs: Jobs) -> float:
    """Jobs a second, from the first that is queued to the last that is done."""
    began = time.perf_counter()
    await asyncio.gather(*(_person(jobs, f"U{n}") for n in range(PEOPLE)))
    while any((await jobs.depth()).__dict__.values()):  # noqa: ASYNC110  (the other process empties it)
        await asyncio.sleep(0.01)
    return JOBS // PEOPLE * PEOPLE / (time.perf_counter() - began)


async def _person(jobs: Jobs, user: str) -> None:
    for _ in range(JOBS // PEOPLE):
        await _queue(jobs, user)


async def _queue(jobs: Jobs, user: str) -> None:
    name = secrets.token_hex(8)
    job = Job(
        id=name, command="pod", words={"target": "hello-world"}, namespace="default", cluster="lab", requester=Requester(user),
        channel=Channel("C1"), delivery=name, trace=name, created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    await jobs.intend(job)
    await jobs.placed(name, "1.0")
    await jobs.queue(name)


async def _delay(jobs: Jobs) -> float:
    """Milliseconds from before a job is queued to its lease, by a worker that waits already."""
    waiting = asyncio.create_task(_take_one(jobs))
    await asyncio.sleep(PAUSE_S)
    name = secrets.token_hex(8)
    job = Job(name, "pod", {}, "default", "lab", Requester("U"), Channel("C1"), name, name, "2026-01-01T00:00:00Z")
    await jobs.intend(job)
    await jobs.placed(name, "1.0")
    before = time.perf_counter()
    await jobs.queue(name)
    return (await waiting - before) * 1000


async def _take_one(jobs: Jobs) -> float:
    async with jobs.take("bench") as lease:
        at = time.perf_counter()
        assert lease
        await lease.finish(State.DONE)
        return at


async def _hands(folder: Path) -> None:
    async with opened(None, folder, terms=TERMS) as jobs, asyncio.TaskGroup() as hands:
        await jobs.ping()
        print("ready", flush=True)
        for _ in range(HANDS):
            hands.create_task(_hand(jobs))


async def _hand(jobs: Jobs) -> None:
    while True:
        async with jobs.take("bench") as lease:
            if lease:
                await lease.store_outcome(b"healthy")
                await lease.finish(State.DONE)


if __name__ == "__main__":
    asyncio.run(_hands(Path(sys.argv[1])))
