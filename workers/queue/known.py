"""What is known of jobs from outside; nothing in here changes one."""

from __future__ import annotations

import contextlib
import json

from workers.job import Job
from workers.queue import record
from workers.queue.claim import Store
from workers.queue.errors import NoSuchJob
from workers.queue.keys import GROUP
from workers.queue.packed import unpack
from workers.queue.status import FIELDS, DeadLetter, Depth, Status, status
from workers.seal import Forged


class Known:
    """The jobs of one installation, for who looks. All raise `QueueAway`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, job_id: str) -> Job:
        """The job as it was asked for. Raises `NoSuchJob`, `Forged`."""
        return (await self.status(job_id)).job

    async def status(self, job_id: str) -> Status:
        """Where the job is. Raises `NoSuchJob`, `Forged`."""
        sealed, *seen = await self._store.server.command("HMGET", self._store.keys.job(job_id), "record", *FIELDS)
        if sealed is None:
            raise NoSuchJob(job_id)
        return status(record.read(self._store.seal, job_id, sealed), self._store.seal, seen)

    async def recent(self, user: str, limit: int = 10) -> tuple[Status, ...]:
        """The person's jobs, newest first; those that are forgotten, or not ours, are left out."""
        ids = await self._store.server.command("LRANGE", self._store.keys.recent(user), 0, limit - 1)
        found = []
        for job_id in ids:
            with contextlib.suppress(NoSuchJob, Forged):
                found.append(await self.status(job_id.decode()))
        return tuple(found)

    async def last_of(self, user: str) -> Status | None:
        """The person's newest job."""
        return next(iter(await self.recent(user, 1)), None)

    async def outcome(self, job_id: str) -> bytes | None:
        """The stored result. Raises `Forged`."""
        return await self._unpacked("outcome", job_id, self._store.keys.outcome(job_id))

    async def bundle(self, job_id: str) -> bytes | None:
        """The stored evidence. Raises `Forged`."""
        return await self._unpacked("bundle", job_id, self._store.keys.bundle(job_id))

    async def dead_letters(self, limit: int = 20) -> tuple[DeadLetter, ...]:
        """What was given up, newest first."""
        letters = await self._store.server.command("LRANGE", self._store.keys.dead, 0, limit - 1)
        return tuple(DeadLetter(said["job"], said["reason"], said["at"] / 1000) for said in map(json.loads, letters))

    async def depth(self) -> Depth:
        """How many jobs are where, for metrics and health."""
        keys = self._store.keys
        return Depth(*await self._store.server.run("depth", (keys.queue, keys.intents, keys.later, keys.dead), GROUP))

    async def _unpacked(self, purpose: str, job_id: str, key: str) -> bytes | None:
        packed = await self._store.server.command("GET", key)
        return None if packed is None else unpack(self._store.seal, purpose, job_id, packed)
