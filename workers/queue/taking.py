"""How a worker comes by a job: the next of the queue, one whose worker died, or one whose next attempt is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog

from workers.queue import record
from workers.queue.claim import Claim, Store, end
from workers.queue.errors import QueueAway, QueueRefused
from workers.queue.keys import CONSUMER, GROUP
from workers.queue.lease import Lease
from workers.queue.server import BLOCK_S
from workers.queue.status import State
from workers.seal import Forged

log = structlog.get_logger()
_SWEPT = 16
_UNSPOKEN = 3
"""So many times a job that may not be run again is given out to be said so; if that kills workers too, it is just buried."""


class Taker:
    """Takes jobs for the workers of one process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._swept = float("-inf")
        self._sweep_s = min(BLOCK_S, store.terms.lease_s / 8)
        self._stopped = False
        self._away = ""
        self.hear_of_forged: Callable[[str, str], None] = _unheard

    def stop(self) -> None:
        """No job is taken from now on; who waits for one is told within half a second."""
        self._stopped = True

    async def take(self, worker: str, block_s: float) -> Lease | None:
        """The next job; None when there is none in that time, or after `stop`. While Redis is away it is waited for."""
        end = time.monotonic() + block_s
        while not self._stopped:
            wait = min(end - time.monotonic(), self._sweep_s)
            try:
                lease = await self._look(worker, max(wait, 0.0))
            except QueueAway as e:
                self._seen(str(e))
                await asyncio.sleep(max(wait, 0.0))
                lease = None
            else:
                self._seen("")
            if lease or time.monotonic() >= end:
                return lease
        return None

    def _seen(self, away: str) -> None:
        """Says once that Redis is away, and once that it is back, however many wait."""
        if bool(away) is not bool(self._away):
            log.warning("queue_away" if away else "queue_back", reason=away or self._away)
        self._away = away

    async def _look(self, worker: str, wait_s: float) -> Lease | None:
        if time.monotonic() - self._swept >= self._sweep_s:
            self._swept = time.monotonic()
            await self._queue_due()
            lease = await self._take_over(worker)
            if lease:
                self._swept = float("-inf")  # there may be more
                return lease
        for entry, job_id in await self._read(wait_s):
            return await self._claim(entry, job_id, 0, worker)
        return None

    async def _queue_due(self) -> None:
        keys, server = self._store.keys, self._store.server
        for raw in await server.run("due", (keys.later,), _SWEPT):
            job_id = raw.decode()
            await server.run("again", (keys.job(job_id), keys.queue, keys.later), job_id)

    async def _take_over(self, worker: str) -> Lease | None:
        """A job whose lease has lapsed."""
        idle_ms = round(self._store.terms.lease_s * 1000)
        for entry, job_id in await self._store.server.run("lapsed", (self._store.keys.queue,), GROUP, idle_ms, _SWEPT):
            lease = await self._claim(entry.decode(), job_id.decode("utf-8", "replace"), idle_ms, worker)
            if lease:
                return lease
        return None

    async def _read(self, wait_s: float) -> list[tuple[str, str]]:
        """The next entry with its job's id. A wait of 0 would be for ever in Redis, and is none here."""
        block = ("BLOCK", round(wait_s * 1000)) if wait_s >= 0.001 else ()  # noqa: PLR2004  (Redis counts milliseconds)
        try:
            got = await self._store.server.command(
                "XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", 1, *block, "STREAMS", self._store.keys.queue, ">"
            )
        except QueueRefused as e:
            if e.code != "NOGROUP":
                raise
            self._swept = float("-inf")  # Redis lost its data, or never had any; a sweep makes the group
            return []
        return [(entry.decode(), _job_id(fields)) for _, rows in got or () for entry, fields in rows]

    async def _claim(self, entry: str, job_id: str, idle_ms: int, worker: str) -> Lease | None:
        keys, server = self._store.keys, self._store.server
        said = await server.run("claim", (keys.job(job_id), keys.queue), GROUP, CONSUMER, entry, idle_ms, worker)
        if said[0] == b"gone":
            log.warning("queue_entry_dropped", entry=entry, job=job_id)
            await server.run("drop", (keys.queue,), GROUP, entry)
        if said[0] != b"yours":
            return None
        user, cancelled_by, reason = (text.decode("utf-8", "replace") for text in said[4:7])
        return await self._verified(said[1], Claim(job_id, entry, said[2], said[3], user, cancelled_by, reason))

    async def _verified(self, sealed: bytes, claim: Claim) -> Lease | None:
        try:
            lease = Lease(self._store, claim, record.read(self._store.seal, claim.job_id, sealed))
        except Forged as e:
            log.error("job_forged", job=claim.job_id, reason=str(e))  # noqa: TRY400  (hostile data, no fault of ours)
            self.hear_of_forged(claim.job_id, str(e))
            await end(self._store, claim, State.REFUSED, str(e))
            return None
        if claim.attempt > self._store.terms.attempts + _UNSPOKEN:
            log.error("job_buried", job=claim.job_id, trace=lease.job.trace, reason=lease.exhausted)
            await lease.finish(State.DEAD, f"{lease.exhausted}; its thread could not be told")
            return None
        return lease


def _unheard(job_id: str, reason: str) -> None:
    """The log has it."""


def _job_id(fields: Any) -> str:
    """Whatever somebody wrote as an entry; "" is no job's id, and such an entry is dropped."""
    return str(fields.get(b"job", b"").decode("utf-8", "replace"))
