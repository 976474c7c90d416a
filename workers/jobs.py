"""Jobs: intended, placed, queued, taken under a lease, ended; the only way by which bot and workers touch the queue.

A bot does `intend`, posts a message, `placed`, `queue`. A worker does `take`, and writes through the lease it gets. Everything
raises `QueueAway` when Redis does not answer: at once for a bot, after `Terms.patience_s` for a worker in the middle of a job.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from workers import seal as sealing
from workers import secret_file
from workers.changes.mail import Mail
from workers.job import Job
from workers.queue import position, record
from workers.queue.channels import Channels
from workers.queue.claim import Store
from workers.queue.embedded import Embedded
from workers.queue.errors import (
    LostLease,
    NoSuchJob,
    NothingYet,
    NotPlaced,
    QueueAway,
    QueueError,
    QueueRefused,
    TooFast,
    TooMany,
)
from workers.queue.inbox import Inbox
from workers.queue.keys import Keys
from workers.queue.known import Known
from workers.queue.lease import Lease
from workers.queue.server import Server
from workers.queue.slots import slot
from workers.queue.status import DeadLetter, Depth, Intent, State, Status
from workers.queue.taking import Taker
from workers.queue.terms import Terms
from workers.seal import Forged, Seal

__all__ = [
    "DeadLetter",
    "Depth",
    "Forged",
    "Intent",
    "Jobs",
    "Lease",
    "LostLease",
    "NoSuchJob",
    "NotPlaced",
    "NothingYet",
    "QueueAway",
    "QueueError",
    "QueueRefused",
    "Seal",
    "Server",
    "State",
    "Status",
    "Terms",
    "TooFast",
    "TooMany",
    "asked",
    "opened",
]  # fmt: skip

_ANSWERED_S = 3600
"""Slack repeats a delivery after at most some minutes."""


@contextlib.asynccontextmanager
async def opened(
    url: str | None, data_dir: Path, *, key_file: Path | None = None, terms: Terms | None = None, tag: str = "netcheck"
) -> AsyncIterator[Jobs]:
    """The jobs in the Redis at `url` or, without one, in an embedded server with its data in `data_dir`.

    Without a key file the sealing key is `data_dir`/job.key, made at the first start. Raises `BadKeyFile`, `QueueAway`, and
    `UsageError` for a URL or a folder that no Redis can be reached with.
    """
    seal = sealing.configured("NETCHECK_JOB_KEY_FILE", key_file, data_dir / "job.key")
    async with contextlib.AsyncExitStack() as stack:
        server = Server(url) if url else await _embedded(Embedded(data_dir), stack)
        stack.push_async_callback(server.aclose)
        yield Jobs(server, seal, terms, tag=tag)


@contextlib.asynccontextmanager
async def asked(url: str | None, data_dir: Path, *, key_file: Path | None = None, tag: str = "netcheck") -> AsyncIterator[Jobs]:
    """The same for a question, which makes neither a key nor a Redis. Raises `NothingYet` without an embedded Redis to ask.

    It starts the Redis that is there, where it does not run, for the time of the block. Where there is no key yet, whatever is
    sealed is `Forged`.
    """
    usual, embedded = data_dir / "job.key", None if url else Embedded(data_dir)
    try:
        sealed = key_file is not None or secret_file.there(usual)
        seal = sealing.configured("NETCHECK_JOB_KEY_FILE", key_file, usual) if sealed else sealing.passing()
        if embedded and not embedded.made:
            raise NothingYet(f"there is no Redis in {data_dir} (NETCHECK_DATA_DIR) yet")
    except OSError as e:
        raise QueueAway(f"{data_dir} (NETCHECK_DATA_DIR) cannot be looked at: {e.strerror}") from e
    async with contextlib.AsyncExitStack() as stack:
        server = await _embedded(embedded, stack) if embedded else Server(url or "")
        stack.push_async_callback(server.aclose)
        yield Jobs(server, seal, tag=tag)


class Jobs(Known):
    """The jobs of one installation. `aclose` ends the connections, nothing else."""

    def __init__(self, server: Server, seal: Seal, terms: Terms | None = None, *, tag: str = "netcheck") -> None:
        super().__init__(Store(server, Keys(tag), seal, terms or Terms()))
        self._taker = Taker(self._store)
        self.channels = Channels(self._store)

    @property
    def server(self) -> Server:
        """The Redis that the jobs are in, for what else is kept there."""
        return self._store.server

    @property
    def keys(self) -> Keys:
        """The names of everything in it."""
        return self._store.keys

    async def intend(self, job: Job, *, at_once: int | None = None, per_minute: int | None = None) -> str:
        """Stores the job, and answers its id; for a delivery that made a job before, that one's id. Raises `TooMany`, `TooFast`.

        The person may have `at_once` unfinished jobs, as many as the terms say where it is not said, and start `per_minute` new
        ones, any number where it is not said.
        """
        keys, terms, user = self._store.keys, self._store.terms, job.requester.user
        most, fastest = at_once or terms.open_per_user, per_minute or sys.maxsize
        mine = (keys.unfinished(user), keys.recent(user), keys.minute(user))
        said, value = await self._store.server.run(
            "intend", (keys.job(job.id), keys.delivery(job.delivery), keys.intents, *mine),
            job.id, record.write(self._store.seal, job), user, most, terms.keep_s, terms.recent, fastest,
        )  # fmt: skip
        if said == b"many":
            raise TooMany(int(value), most)
        if said == b"fast":
            raise TooFast(int(value), fastest)
        return str(value.decode())

    async def placed(self, job_id: str, ts: str) -> str:
        """The job's message exists; answers the ts that counts, the first one's. Raises `NoSuchJob`."""
        seal, keys = self._store.seal, (self._store.keys.job(job_id),)
        sealed = position.sealed(seal, job_id, ts)
        first = await self._store.server.run("placed", keys, sealed, "")
        if first is None:
            raise NoSuchJob(job_id)
        known = position.opened(seal, job_id, first)
        if known is None:
            known = position.opened(seal, job_id, await self._store.server.run("placed", keys, sealed, first))
        return known or ts

    async def queue(self, job_id: str) -> None:
        """A worker may have it now; a job that was queued before is left as it is. Raises `NoSuchJob`, `NotPlaced`."""
        keys = self._store.keys
        said = await self._store.server.run("queue", (keys.job(job_id), keys.queue, keys.intents), job_id)
        if said == b"unknown":
            raise NoSuchJob(job_id)
        if said == b"unplaced":
            raise NotPlaced(f"job {job_id} has no message yet: post one, store its ts with `placed`, then queue")

    async def abandon(self, job: Job, reason: str) -> None:
        """Ends a job that cannot be queued, since its message has no place to be; one that is queued already is left alone."""
        keys, user = self._store.keys, job.requester.user
        await self._store.server.run(
            "abandon", (keys.job(job.id), keys.intents, keys.unfinished(user)), job.id, reason, self._store.terms.keep_s
        )

    async def first_time(self, delivery: str) -> bool:
        """Whether nobody has asked this about the delivery before; for deliveries that make no job. Raises `QueueAway`."""
        said = await self._store.server.command("SET", self._store.keys.answered(delivery), "1", "NX", "EX", _ANSWERED_S)
        return said is not None

    async def overdue_intents(self, older_than_s: float, limit: int = 100) -> tuple[Intent, ...]:
        """Jobs whose bot died before it queued them; each is given to one caller only, and again after that time."""
        ids = await self._store.server.run("overdue", (self._store.keys.intents,), round(older_than_s * 1000), limit)
        intents = [await self._intent(job_id.decode()) for job_id in ids]
        return tuple(intent for intent in intents if intent)

    @contextlib.asynccontextmanager
    async def take(self, worker: str, block_s: float = 5.0) -> AsyncIterator[Lease | None]:
        """The next job under a lease that is renewed inside the block; None when there is none in that time.

        What is not finished at the end of the block is handed back, and another worker takes it at once.
        """
        lease = await self._taker.take(worker, block_s)
        if lease is None:
            yield None
            return
        heartbeat = asyncio.create_task(lease.keep(), name=f"lease of {lease.job.id}")
        try:
            yield lease
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)
            await asyncio.shield(lease.let_go())

    def tell_of_forged(self, hear: Callable[[str, str], None]) -> None:
        """`hear` is given the id of each job that somebody else put into the queue, and what was wrong with it."""
        self._taker.hear_of_forged = hear

    def stop_taking(self) -> None:
        """From now on `take` gives nothing; who waits in it is told within half a second. Jobs in hand go on."""
        self._taker.stop()

    def node_slot(self, node: str, wait_s: float = 10.0) -> contextlib.AbstractAsyncContextManager[None]:
        """One of the `Terms.node_slots` places at a node, for the time of the block.

        Raises `CannotLook` when none comes free in that time, and `QueueAway`.
        """
        return slot(self._store, node, wait_s)

    async def cancel(self, job_id: str, by: str) -> State:
        """Whoever runs the job hears of it within `Terms.heartbeat_s`; one that waits is ended by the worker that takes it.

        Answers the state in which it was, which is left alone when it is over. Raises `NoSuchJob`, `Forged`.
        """
        job = await self.record(job_id)
        keys = self._store.keys
        unfinished = keys.unfinished(job.requester.user)
        return State((await self._store.server.run("cancel", (keys.job(job_id), unfinished), job_id, by)).decode())

    async def ping(self) -> None:
        """Returns when Redis answers. Raises `QueueAway`."""
        await self._store.server.command("ECHO", "netcheck")

    def mail(self, voices: Seal | None = None) -> Mail:
        """The way to the approver, and back; `voices` for those who may say what people did."""
        return Mail(self._store.server, self._store.keys, self._store.seal, voices)

    def inbox(self, voices: Seal) -> Inbox:
        """What Slack delivered and nobody has served yet; `voices` as for `mail`."""
        return Inbox(self._store.server, self._store.keys, voices)

    async def aclose(self) -> None:
        """Ends the connections."""
        await self._store.server.aclose()

    async def _intent(self, job_id: str) -> Intent | None:
        try:
            seen = await self.status(job_id)
        except (NoSuchJob, Forged):
            await self._store.server.command("ZREM", self._store.keys.intents, job_id)
            return None
        return Intent(seen.job, seen.ts)


async def _embedded(embedded: Embedded, stack: contextlib.AsyncExitStack) -> Server:
    stack.callback(embedded.stop)
    await embedded.start()
    return Server(embedded.url, revive=embedded.start)
