"""A job in a worker's hands: everything that the worker writes about it goes through here, and is refused once another has it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from workers.job import Job
from workers.queue import position
from workers.queue.claim import Claim, Store, end
from workers.queue.errors import LostLease, QueueAway
from workers.queue.keys import CONSUMER, GROUP, POSTED_S
from workers.queue.packed import pack, unpack
from workers.queue.server import Argument, patiently
from workers.queue.status import State
from workers.seal import Forged

log = structlog.get_logger()


class Lease:
    """`lost` is set when another worker has the job: stop at once. `cancelled` is set when somebody cancelled it.

    `exhausted` is "" or says why the job may not be run again: say that in its thread, then `finish(State.DEAD, ...)`.
    Writes wait for a Redis that is away, up to `Terms.patience_s`, then raise `QueueAway`.
    """

    def __init__(self, store: Store, claim: Claim, job: Job) -> None:
        self.job = job
        self.attempt = claim.attempt
        self.fence = claim.fence
        self.exhausted = claim.exhausted(store.terms.attempts)
        self.lost = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.cancelled_by = ""
        self._store = store
        self._claim = claim
        self._ended = False
        self._hear(claim.cancelled_by)

    async def position(self) -> str | None:
        """The ts of the job's message; a forged one counts as none. Raises `QueueAway`."""
        stored = await self._command("HGET", self._store.keys.job(self.job.id), "ts")
        return position.opened(self._store.seal, self.job.id, stored)

    async def place(self, ts: str) -> None:
        """The job's message is another one now, because the old one cannot be edited. Raises `LostLease`, `QueueAway`."""
        await self._write("note", (), "ts", position.sealed(self._store.seal, self.job.id, ts))

    async def progress(self, text: str) -> None:
        """What is being done just now, for who asks for the job's status. Raises `LostLease`, `QueueAway`."""
        await self._write("note", (), "progress", text)

    async def outcome(self) -> bytes | None:
        """The result that was stored already: send that one. One with a false seal is logged, and counts as none."""
        sealed = await self._command("GET", self._store.keys.outcome(self.job.id))
        try:
            return None if sealed is None else unpack(self._store.seal, "outcome", self.job.id, sealed)
        except Forged as e:
            log.error("outcome_forged", job=self.job.id, trace=self.job.trace, reason=str(e))  # noqa: TRY400  (hostile data, not a fault of ours)
            return None

    async def store_outcome(self, data: bytes) -> None:
        """The rendered result, before it is sent. Raises `LostLease`, `QueueAway`."""
        await self._store_packed("outcome", self._store.keys.outcome(self.job.id), data)

    async def store_bundle(self, data: bytes) -> None:
        """The evidence of the run. Raises `LostLease`, `QueueAway`."""
        await self._store_packed("bundle", self._store.keys.bundle(self.job.id), data)

    async def store_file(self, name: str, file_id: str) -> None:
        """The id of a file of the result, before its upload is completed. Raises `LostLease`, `QueueAway`."""
        await self._write("store_file", (self._store.keys.files(self.job.id),), name, file_id, self._store.terms.keep_s)

    async def posted(self, file_id: str) -> None:
        """The file is about to be in the job's channel. Raises `LostLease`, `QueueAway`."""
        key = self._store.keys.posted(self.job.channel.id)
        self._check()
        await self._command("ZADD", key, round(time.time()), file_id)
        await self._command("EXPIRE", key, POSTED_S)

    async def shared(self) -> bool:
        """Whether a bot has seen since that others read the job's channel. Raises `QueueAway`."""
        return bool(await self._command("EXISTS", self._store.keys.shared(self.job.channel.id)))

    async def files(self) -> dict[str, str]:
        """The ids of the files that were begun, by name. Raises `QueueAway`."""
        pairs = await self._command("HGETALL", self._store.keys.files(self.job.id))
        return {name.decode(): file_id.decode() for name, file_id in pairs.items()}

    async def finish(self, state: State, reason: str = "") -> None:
        """The end of the job; `DEAD` and `REFUSED` leave a dead letter. Raises `LostLease`, `QueueAway`."""
        if not state.over:
            raise ValueError(f"{state.value} is not an end")
        await self._last(lambda: end(self._store, self._claim, state, reason))

    async def retry_later(self, reason: str) -> bool:
        """Another attempt will be made after a while. Raises `LostLease`, `QueueAway`.

        False: none is left and the lease is still held; say it in the thread, then `finish(State.DEAD, reason)`.
        """
        delay = self._store.terms.retry_delay_s * 2 ** (self.attempt - 1)
        return await self._requeue(round(delay * 1000), reason, self._store.terms.attempts)

    async def put_off(self, reason: str, seconds: float) -> None:
        """Some worker takes the job after that time, and the attempt does not count. Raises `LostLease`, `QueueAway`.

        For what fails through no fault of the job's, however often: Slack is away.
        """
        await self._requeue(round(seconds * 1000), reason, 0)

    async def hand_back(self) -> None:
        """Another worker takes the job at once, and the attempt does not count. Raises `LostLease`, `QueueAway`."""
        await self._requeue(0, "", 0)

    async def keep(self) -> None:
        """Renews until the lease is lost or this is cancelled; a Redis that is away is waited for."""
        while not self.lost.is_set():
            await asyncio.sleep(self._store.terms.heartbeat_s)
            try:
                await self._renew()
            except QueueAway as e:
                log.warning("lease_not_renewed", job=self.job.id, trace=self.job.trace, reason=str(e))

    async def let_go(self) -> None:
        """At the end of a worker's hold on the job, whatever ended it: what is not finished is handed back."""
        if not self._ended and not self.lost.is_set():
            with contextlib.suppress(LostLease, QueueAway):  # then another worker takes it over when the lease lapses
                await self._requeue(0, "", 0, patience_s=0)

    async def _renew(self) -> None:
        keys, claim = self._store.keys, self._claim
        both = (keys.job(self.job.id), keys.queue)
        who = await self._store.server.run("renew", both, self.fence, GROUP, CONSUMER, claim.entry)
        if who is not None:
            self._hear(who.decode("utf-8", "replace"))
        elif not self._ended:
            self._lose()

    async def _requeue(self, delay_ms: int, reason: str, allowed: int, *, patience_s: float | None = None) -> bool:
        keys, claim = self._store.keys, self._claim
        all_keys = (keys.job(self.job.id), keys.queue, keys.later)
        args = (self.fence, GROUP, claim.entry, claim.job_id, delay_ms, reason, allowed)
        return bool(await self._last(lambda: self._store.server.run("requeue", all_keys, *args), patience_s) == b"ok")

    async def _store_packed(self, purpose: str, key: str, data: bytes) -> None:
        packed = pack(self._store.seal, purpose, self.job.id, data)
        await self._write("store", (key,), packed, self._store.terms.keep_s)

    async def _write(self, script: str, keys: tuple[str, ...], *args: Argument) -> None:
        self._check()
        all_keys = (self._store.keys.job(self.job.id), *keys)
        await self._held(lambda: self._store.server.run(script, all_keys, self.fence, *args))

    async def _last(self, call: Callable[[], Awaitable[Any]], patience_s: float | None = None) -> Any:
        """A write that ends the hold; the heartbeat that finds it ended is not told that the lease was lost."""
        self._check()
        said = None
        try:
            self._ended = True
            said = await self._held(call, patience_s)
        finally:
            self._ended = said == b"ok"
        return said

    async def _held(self, call: Callable[[], Awaitable[Any]], patience_s: float | None = None) -> Any:
        said = await patiently(call, self._store.terms.patience_s if patience_s is None else patience_s)
        if said == b"lost":
            self._lose()
            raise LostLease(f"job {self.job.id}: another worker has it")
        return said

    def _check(self) -> None:
        if self.lost.is_set() or self._ended:
            raise LostLease(f"job {self.job.id}: this worker does not have it any more")

    async def _command(self, *words: Argument) -> Any:
        return await patiently(lambda: self._store.server.command(*words), self._store.terms.patience_s)

    def _lose(self) -> None:
        self.lost.set()
        log.warning("lease_lost", job=self.job.id, trace=self.job.trace, fence=self.fence)

    def _hear(self, who: str) -> None:
        if who and not self.cancelled.is_set():
            self.cancelled_by = who
            self.cancelled.set()
