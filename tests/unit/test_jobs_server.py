"""A Redis that is away, answers with errors, or was restarted; and cancelling what waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import redis.exceptions

from tests.queue_parts import QUICK, job, queued, wait_until_ended
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.jobs import Jobs, QueueAway, Server, State
from workers.queue.embedded import Embedded
from workers.queue.errors import QueueRefused
from workers.queue.server import _translated, patiently

DEADLINE_S = 20
FOREIGN = [
    error for _, error in inspect.getmembers(redis.exceptions, inspect.isclass)
    if issubclass(error, redis.exceptions.RedisError | redis.exceptions.RedisClusterException)
]  # fmt: skip


@pytest_asyncio.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Embedded]:
    """A server of its own, that a test may kill."""
    it = Embedded(tmp_path)
    await it.start()
    yield it
    it.stop()
    await asyncio.to_thread(wait_until_ended, tmp_path)


@pytest_asyncio.fixture
async def mortal(embedded: Embedded, tmp_path: Path) -> AsyncIterator[Jobs]:
    """Jobs in that server."""
    async with contextlib.aclosing(Jobs(Server(embedded.url), seal.read_or_make(tmp_path / "job.key"), QUICK)) as jobs:
        yield jobs


@pytest.mark.parametrize("error", FOREIGN)
def test_no_exception_of_the_client_crosses(error: type[Exception]) -> None:
    made = error.__new__(error)
    with pytest.raises(QueueAway), _translated():
        raise made


async def test_a_redis_that_is_away_is_said_at_once(tmp_path: Path) -> None:
    async with contextlib.aclosing(Server(f"unix://{tmp_path}/none.sock")) as server:
        started = time.monotonic()
        with pytest.raises(QueueAway, match="Redis is away"):
            await server.command("ECHO", "x")
        assert time.monotonic() - started < DEADLINE_S


async def test_a_redis_that_hangs_is_away(embedded: Embedded) -> None:
    pid = await _server_pid(embedded)
    async with contextlib.aclosing(Server(embedded.url, answer_s=0.1)) as server:
        await server.command("ECHO", "x")
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(QueueAway):
                await server.command("ECHO", "x")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await patiently(lambda: server.command("ECHO", "x"), DEADLINE_S) == b"x"


async def test_an_error_of_redis_own_is_told_in_its_words(redis_place: RedisPlace) -> None:
    async with contextlib.aclosing(redis_place.server()) as server:
        await server.command("SET", f"{redis_place.tag}:text", "x")
        with pytest.raises(QueueRefused) as e:
            await server.command("INCR", f"{redis_place.tag}:text")
        assert str(e.value) == "value is not an integer or out of range"
        with pytest.raises(QueueRefused) as e:
            await server.command("LLEN", f"{redis_place.tag}:text")
        assert e.value.code == "WRONGTYPE"


async def test_scripts_that_redis_forgot_are_given_again(jobs: Jobs, redis_place: RedisPlace) -> None:
    await jobs.intend(job())
    async with contextlib.aclosing(redis_place.server()) as server:
        await server.command("SCRIPT", "FLUSH")
    await jobs.intend(job())
    assert (await jobs.depth()).intended == 2


async def test_a_killed_redis_comes_back_with_every_job(embedded: Embedded, mortal: Jobs) -> None:
    asked = [await queued(mortal) for _ in range(5)]
    async with mortal.take("w") as lease:
        assert lease is not None
        await lease.store_outcome(b"before")
        os.kill(await _server_pid(embedded), signal.SIGKILL)
        await asyncio.gather(lease.store_outcome(b"after"), _later(embedded.start))
        await lease.finish(State.DONE)
    states = [(await mortal.status(one.id)).state for one in asked]
    assert states == [State.DONE, *[State.QUEUED] * 4]
    assert await mortal.outcome(asked[0].id) == b"after"


async def test_a_worker_that_waits_for_jobs_goes_on_when_redis_is_back(embedded: Embedded, mortal: Jobs) -> None:
    waiting = asyncio.create_task(_taken(mortal))
    await mortal.ping()
    os.kill(await _server_pid(embedded), signal.SIGKILL)
    await _later(embedded.start)
    asked = await patiently(lambda: queued(mortal), DEADLINE_S)
    async with asyncio.timeout(DEADLINE_S):
        assert await waiting == asked.id


async def test_who_has_its_own_server_brings_it_back(embedded: Embedded) -> None:
    async with contextlib.aclosing(Server(embedded.url, revive=embedded.start)) as server:
        await server.command("SET", "k", "v")
        os.kill(await _server_pid(embedded), signal.SIGKILL)
        answers = await asyncio.gather(*(server.command("GET", "k") for _ in range(5)))
        assert answers == [b"v"] * 5


async def test_a_cancelled_task_ends_even_while_it_talks_to_redis(jobs: Jobs) -> None:
    """Many times at every moment of a command: one lost cancellation keeps a task for ever."""
    await jobs.ping()
    async with asyncio.timeout(DEADLINE_S):
        for steps in range(12):
            tasks = [asyncio.create_task(_for_ever(jobs)) for _ in range(5)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*tasks, return_exceptions=True))


async def _for_ever(jobs: Jobs) -> None:
    while True:
        await jobs.ping()


async def _taken(jobs: Jobs) -> str | None:
    async with jobs.take("w", DEADLINE_S) as lease:
        return lease.job.id if lease else None


async def _later(start: object) -> None:
    assert callable(start)
    await asyncio.sleep(0.1)
    await start()


async def _server_pid(embedded: Embedded) -> int:
    async with contextlib.aclosing(Server(embedded.url)) as server:
        return int((await server.command("INFO", "server"))["process_id"])
