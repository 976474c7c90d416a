"""What is being done for a job, said in its message when it takes long enough for somebody to wonder."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from workers.job import Job
from workers.queue.errors import QueueError
from workers.queue.lease import Lease
from workers.redaction.discretion import Discretion
from workers.render import progress
from workers.render.progress import Progress, Stage
from workers.work.live import Live

FIRST_TELL_S, NEXT_TELLS_S, MOST_TELLS = 1.5, 6.0, 4
"""Edits are rationed: none for a quick job, a few for a long one (chat.update is limited for each workspace)."""


class Telling:
    """Inside the block the message is edited from time to time."""

    def __init__(self, live: Live, told: Discretion) -> None:
        self._live, self._told = live, told
        self._stage = Stage.LOCATING
        self._nodes: frozenset[str] = frozenset()

    def asking(self, nodes: frozenset[str]) -> None:
        """These are being asked now."""
        self._stage, self._nodes = Stage.ASKING, nodes

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._tell())

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        await asyncio.sleep(FIRST_TELL_S)
        for _ in range(MOST_TELLS):
            told, job = self._told, self._told.job
            self._live.show(progress.message(Progress(job.id, told.title, self._stage, age(job), told.nodes(self._nodes))))
            await asyncio.sleep(NEXT_TELLS_S)


async def still_held(lease: Lease) -> bool:
    """Whether no other worker has the job."""
    try:
        await lease.progress("running")
    except QueueError:
        return False
    return True


def age(job: Job) -> float:
    """Seconds since the job was asked for."""
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(job.created)).total_seconds())
