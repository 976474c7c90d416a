"""Whatever dies, one message carries the result: never none, never two, its files once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from deploy.lab import faults
from deploy.lab.slack import Fault, Kind
from tests.e2e.conftest import Starting
from tests.e2e.desk import Desk, until
from workers.jobs import State
from workers.queue import keeper

TARGET = {"pod": "client"}
FILES = ["client.addr.txt", "client.route.txt"]


async def one_result(desk: Desk) -> None:
    """Exactly one message has the result, nothing else but the neutral placeholder stands there, and each file is there once."""
    (result,) = await asyncio.to_thread(desk.results)
    assert "default/client" in str(result["blocks"])
    assert await asyncio.to_thread(desk.files) == FILES


async def test_before_the_ts_of_the_placeholder_is_stored(desk: Desk, start: Starting) -> None:
    worker = await asyncio.to_thread(start)
    desk.slack.fail(Fault("chat.postMessage", Kind.ANSWER_LOST))
    job = await desk.intend(**TARGET)
    await until(desk.said)
    worker.kill()
    await asyncio.to_thread(start)
    assert await desk.ended(job) is State.DONE
    await one_result(desk)
    orphans = [m for m in desk.said() if m not in desk.results() and not m.get("thread_ts")]
    assert all("queued" in m["text"] for m in orphans)


async def test_before_the_ask(desk: Desk, start: Starting) -> None:
    worker = await asyncio.to_thread(start)
    job = await desk.ask(**TARGET)
    await until(lambda: "job_taken" in worker.log.read_text())
    worker.kill()
    await asyncio.to_thread(start)
    assert await desk.ended(job) is State.DONE
    await one_result(desk)


async def test_during_the_ask(desk: Desk, start: Starting) -> None:
    worker = await asyncio.to_thread(start)
    silent = faults.find()["dns-silent"]
    with silent.injected(desk.lab):
        job = await desk.ask(**TARGET)
        await until(lambda: "job_taken" in worker.log.read_text())
        await asyncio.sleep(1.0)
        worker.kill()
        await asyncio.to_thread(start)
        assert await desk.ended(job) is State.DONE
    await one_result(desk)


@pytest.mark.parametrize("kind", [Kind.DELAYED, Kind.ANSWER_LOST])
async def test_before_and_during_the_final_edit(desk: Desk, start: Starting, kind: Kind) -> None:
    worker = await asyncio.to_thread(start)
    desk.slack.fail(Fault("chat.update", kind, seconds=2.0))
    job = await desk.ask(**TARGET)

    async def rendered() -> bool:
        return await desk.jobs.outcome(job.id) is not None

    await until(rendered)
    worker.kill()
    await asyncio.to_thread(start)
    assert await desk.ended(job) is State.DONE
    await one_result(desk)


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"])
@pytest.mark.parametrize("kind", [Kind.DELAYED, Kind.ANSWER_LOST])
async def test_right_after_the_final_edit_and_during_a_file(desk: Desk, start: Starting, method: str, kind: Kind) -> None:
    worker = await asyncio.to_thread(start)
    desk.slack.fail(Fault(method, kind, seconds=2.0))
    job = await desk.ask(**TARGET)
    await until(desk.results)
    await asyncio.sleep(0.1)
    worker.kill()
    await asyncio.to_thread(start)
    assert await desk.ended(job) is State.DONE
    await one_result(desk)


async def test_stopped_past_its_lease_and_resumed(desk: Desk, start: Starting) -> None:
    first = await asyncio.to_thread(start)
    with faults.find()["dns-silent"].injected(desk.lab):
        job = await desk.ask(**TARGET)
        await until(lambda: "job_taken" in first.log.read_text())
        first.signal(signal.SIGSTOP)
        await asyncio.to_thread(start)
        assert await desk.ended(job) is State.DONE
    (before,) = await asyncio.to_thread(desk.results)
    first.signal(signal.SIGCONT)
    await until(lambda: "job_lost" in first.log.read_text() or "lease_lost" in first.log.read_text())
    await asyncio.sleep(1.0)
    (after,) = await asyncio.to_thread(desk.results)
    assert (before["text"], before["blocks"]) == (after["text"], after["blocks"])


async def test_redis_killed_in_the_middle_and_restarted_with_its_data(desk: Desk, start: Starting) -> None:
    worker = await asyncio.to_thread(start)
    with faults.find()["dns-silent"].injected(desk.lab):
        job = await desk.ask(**TARGET)
        await until(lambda: "job_taken" in worker.log.read_text())
        _kill_redis(desk)
        assert await desk.ended(job) is State.DONE
    await one_result(desk)


async def test_two_hundred_jobs_under_random_kills_of_two_workers(desk: Desk, start: Starting) -> None:
    workers = [await asyncio.to_thread(start) for _ in range(2)]
    jobs = [await desk.ask("pods", user=f"U{number // 5:04}") for number in range(200)]
    dice = random.Random(7)  # noqa: S311  (which worker dies when)
    done = asyncio.create_task(_all_ended(desk, [job.id for job in jobs]))
    for _ in range(8):
        await asyncio.sleep(dice.uniform(0.2, 0.6))
        victim = dice.randrange(2)
        workers[victim].kill()
        workers[victim] = await asyncio.to_thread(start)
    await asyncio.wait_for(done, 90)
    results = await asyncio.to_thread(desk.results)
    assert len(results) == len(jobs)
    assert len({m["ts"] for m in results}) == len(jobs)
    assert len(await asyncio.to_thread(desk.said)) == len(jobs)


async def _all_ended(desk: Desk, ids: list[str]) -> None:
    left = set(ids)
    while left:
        for job_id in list(left):
            state = (await desk.jobs.status(job_id)).state
            if state.over:
                assert state is State.DONE
                left.discard(job_id)
        await asyncio.sleep(0.2)


def _kill_redis(desk: Desk) -> None:
    """The server itself, not its keeper: as the kernel's OOM killer would."""
    folder = desk.lab.folder / "data" / "redis"
    keeper_pid = int((folder / keeper.KEEPER_LOCK).read_text("ascii"))
    for child in Path(f"/proc/{keeper_pid}/task/{keeper_pid}/children").read_text("ascii").split():
        os.kill(int(child), signal.SIGKILL)
