"""A worker is killed at each step of a change of five nodes: what is reported is true, and each node was written at most once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node_helper.changes.plan import VERSION, Plan, Target
from tests import change_worker
from tests.change_worker import NODES
from tests.pretend_changes import KEY, NEW, NONCE, OLD
from tests.queue_parts import job, jobs_at, queued
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.changes import signing
from workers.changes.proposal import CarriedOut
from workers.job import Channel, Requester
from workers.jobs import Jobs, State
from workers.queue.server import patiently
from workers.work.outcome import Outcome

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
AT_ONCE = 4


class Kills:
    """Starts workers that kill themselves."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def start(self, tag: str, folder: Path, step: int) -> int:
        """Its pid."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{tag} {folder} {step}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def kills(redis_place: RedisPlace) -> Iterator[Kills]:
    argv = [sys.executable, "-m", "tests.change_worker", redis_place.url, str(redis_place.key_file)]
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield Kills(process)
        os.killpg(process.pid, signal.SIGKILL)


async def test_a_worker_killed_at_any_step_leaves_a_true_report_and_no_node_written_twice(
    kills: Kills, redis_place: RedisPlace, tmp_path: Path
) -> None:
    key = tmp_path / "approver"
    await asyncio.to_thread(subprocess.run, ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    went, step = True, 1
    while went:
        several = range(step, step + AT_ONCE)
        went = all(await asyncio.gather(*(_one(kills, redis_place, tmp_path / f"{n}", key, n) for n in several)))
        step += AT_ONCE
    assert step > 4 * len(NODES)  # more than all there are on the nodes


async def _one(kills: Kills, place: RedisPlace, folder: Path, key: Path, step: int) -> bool:
    """Whether the first worker came to be killed."""
    tag, issued = f"{place.tag}-{step}", int(time.time())
    targets = tuple(Target(node, change_worker.machine_id(node), OLD, NEW) for node in NODES)
    plan = Plan(VERSION, "lab", KEY, "a1", NONCE, issued, issued + 600, 0, "", targets)
    await asyncio.to_thread(change_worker.install, folder, key)
    async with contextlib.aclosing(jobs_at(place.url, place.key_file, change_worker.TERMS, tag)) as jobs:
        grant = await asyncio.to_thread(signing.sign, plan, key)
        await patiently(lambda: jobs.mail().put_grant("a1", grant), DEADLINE_S)
        asked = replace(job(), command="carry_out", words={"approval": "a1"}, requester=Requester("U1"))
        asked = replace(asked, channel=Channel("C1", shared=False))
        await patiently(lambda: queued(jobs, asked), DEADLINE_S)
        pid = kills.start(tag, folder, step)
        killed = await _killed(jobs, asked.id, pid)
        if killed:
            pid = kills.start(tag, folder, 0)
        async with asyncio.timeout(DEADLINE_S):
            while not await _over(jobs, asked.id):  # noqa: ASYNC110  (another process ends it)
                await asyncio.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        await _is_true(jobs, asked.id, folder, place)
    return killed


async def _is_true(jobs: Jobs, name: str, folder: Path, place: RedisPlace) -> None:
    """What Slack, the queue and the approver heard is one thing, and the nodes are so."""
    outcome = Outcome.loads(await jobs.outcome(name) or b"")
    assert outcome.state is (await jobs.status(name)).state
    assert outcome.state in (State.DONE, State.FAILED)
    assert outcome.carried is not None
    assert (folder / f"ts-{name}.message").read_text() == outcome.message.text
    letters = [taken.letter for taken in await jobs.mail(seal.read(place.key_file)).take()]
    assert letters
    assert all(letter == outcome.carried for letter in letters)
    _nodes_are(outcome.carried, folder)


def _nodes_are(carried: CarriedOut, folder: Path) -> None:
    ends = {end.node: end for end in carried.nodes}
    assert list(ends) == list(NODES)
    for node in NODES:
        value = int(Path(change_worker.paths_of(folder, node).value).read_text())
        assert (value == NEW.value) == (ends[node].ended == "done"), ends
        assert change_worker.writes(folder, node) == (value == NEW.value), ends
    wrong = [end for end in ends.values() if end.ended == "failed"]
    assert len(wrong) <= 1  # the helper died with the worker before it had written: said so, and the rest is left alone
    assert all(end.ended in ("done", "failed") or (wrong and end.ended == "skipped") for end in ends.values())


async def _over(jobs: Jobs, name: str) -> bool:
    """A machine that is busy with other tests may keep Redis waiting, too."""
    return (await patiently(lambda: jobs.status(name), DEADLINE_S)).state.over


async def _killed(jobs: Jobs, name: str, pid: int) -> bool:
    async with asyncio.timeout(DEADLINE_S):
        while _alive(pid):
            if await _over(jobs, name):
                return False
            await asyncio.sleep(0.02)
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
