"""Worker processes for tests that kill them: `python -m tests.queue_worker URL KEY_FILE TAG JOURNAL`.

Each line on stdin starts one more, whose pid is printed. A worker does what a job's `do` says, and writes what it did to the
journal, a line a deed, in one write each.
"""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import os
import random
import signal
import sys
from pathlib import Path

from tests.queue_parts import QUICK, jobs_at
from workers.jobs import Jobs, Lease, LostLease, State

HANDS = 4
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
TERMS = dataclasses.replace(QUICK, attempts=100)


def main(url: str, key_file: str, tag: str, journal: str) -> None:
    """Starts workers until stdin ends; they end with this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if (pid := os.fork()) == 0:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            asyncio.run(_work(jobs_at(url, Path(key_file), TERMS, tag), Path(journal)))
            os._exit(0)
        print(pid, flush=True)  # noqa: T201  (its answer)


async def _work(jobs: Jobs, journal: Path) -> None:
    async with asyncio.TaskGroup() as hands:
        for _ in range(HANDS):
            hands.create_task(_hand(jobs, journal))


async def _hand(jobs: Jobs, journal: Path) -> None:
    while True:
        async with jobs.take(str(os.getpid())) as lease:
            if lease:
                try:
                    await _do(lease, journal)
                except LostLease:
                    _note(journal, lease, "lost")


async def _do(lease: Lease, journal: Path) -> None:
    """The steps of a real worker; the kills come between and inside any of them."""
    _note(journal, lease, "began")
    if lease.job.words.get("do") == "hold":
        while not journal.with_suffix(".go").exists():  # noqa: ASYNC110  (another process makes it)
            await asyncio.sleep(0.01)
    text = await lease.outcome()
    if text is None:
        await asyncio.sleep(random.uniform(0, 0.1))  # noqa: S311  (no secret)
        text = f"{lease.job.id} by {os.getpid()}".encode()
        await lease.store_outcome(text)
    _note(journal, lease, "edited", text.decode())
    await lease.finish(State.DONE)
    _note(journal, lease, "finished")


def _note(journal: Path, lease: Lease, *deed: str) -> None:
    line = "\t".join((lease.job.id, str(lease.fence), *deed)) + "\n"
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
