"""What a process appends its part of the audit to: signed at once, stored within milliseconds, its head outside Redis in seconds.

Looking is never held up by the audit: entries wait in memory and on disk while Redis is away. A change is: it awaits `sealed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import structlog
from prometheus_client import Counter, Gauge

from workers.audit import lines
from workers.audit.chain import Chain
from workers.audit.entry import About, Kind
from workers.audit.errors import AuditAway, SinkAway
from workers.audit.lines import Head
from workers.audit.record import Record
from workers.audit.sinks import Sink
from workers.audit.spool import Spool
from workers.queue.errors import QueueAway

log = structlog.get_logger()
ENTRIES = Counter("netcheck_audit_entries", "Entries that this process wrote to the audit", ["kind"])
LOST = Counter("netcheck_audit_lost", "Entries that could not be kept, since too many waited already; the audit says how many")
WAITING = Gauge("netcheck_audit_waiting", "Entries that are not in Redis yet")
SINK_AWAY = Gauge("netcheck_audit_sink_away", "Whether the last head did not reach the sink")

_BATCH = 200
_PAUSE_S = 0.5
_LAST_S = 3.0
_LOOKING_S = 0.5
MOST_WAITING = 20_000
"""Some ten megabytes; while Redis is away nothing but refusals and plain commands comes in."""
NOBODY = About()


class Trail(Protocol):
    """As much of `Audit` as those need who look and change nothing."""

    def append(self, kind: Kind, about: About = NOBODY, said: Mapping[str, str] | None = None) -> None:
        """The next entry."""

    async def kept(self, seconds: float = 2.0) -> None:
        """All that was appended is stored. Raises `AuditAway`."""


class Kept(Protocol):
    """As much of `workers.audit.store.Store` as is needed here."""

    async def append(self, writer: str, records: Sequence[Record]) -> None:
        """Adds them; twice is once. Raises `QueueAway`, `AuditAway`."""


async def kept_if_possible(trail: Trail) -> None:
    """Waits for what was appended, but not for long: looking goes on without; the entries wait, and are on disk."""
    with contextlib.suppress(AuditAway):
        await trail.kept(_LOOKING_S)


class Audit:
    """One process' audit. Use it inside `async with`, which opens and closes the chain."""

    def __init__(self, chain: Chain, store: Kept, sink: Sink, spool: Spool, every_s: float = 2.0) -> None:
        self._chain, self._store, self._sink, self._spool, self._every_s = chain, store, sink, spool, every_s
        self._waiting: list[Record] = []
        self._newest: Record | None = None
        self._stored: Record | None = None
        self._sunk: Head | None = None
        self._lost = 0
        self._more, self._moved, self._begun = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._sinking = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._away = ""
        self._sink_away = ""

    @property
    def writer(self) -> str:
        """Its name in the audit."""
        return self._chain.writer

    def append(self, kind: Kind, about: About = NOBODY, said: Mapping[str, str] | None = None) -> None:
        """The next entry. Costs some 0.1 ms, waits for nothing and fails for nothing but a name in `said` that is not ours."""
        if len(self._waiting) >= MOST_WAITING:
            self._lose(kind)
            return
        if self._lost:
            count, self._lost = self._lost, 0
            self._add(Kind.LOST, NOBODY, {"entries": str(count)})
        self._add(kind, about, said or {})

    async def kept(self, seconds: float = 2.0) -> None:
        """All that was appended is stored. Raises `AuditAway`."""
        newest = self._newest
        if self._lost:
            raise AuditAway(f"{self._lost} entries of the audit were lost: {self._away}")
        try:
            async with asyncio.timeout(seconds):
                while newest is not None and not self._has(newest):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError as e:
            raise AuditAway(f"the audit is not stored: {self._away or f'no answer in {seconds:g} s'}") from e

    async def sealed(self, seconds: float = 5.0) -> Head:
        """All that was appended is stored, and its head is outside Redis. Raises `AuditAway`, `SinkAway`."""
        await self.kept(seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._report()
        except TimeoutError as e:
            raise SinkAway(f"the audit's sink did not answer in {seconds:g} s") from e
        if self._sunk is None:
            raise AuditAway("nothing was appended yet")
        return self._sunk

    async def __aenter__(self) -> Self:
        origin = {"key": self._chain.signer.public.id, "host": socket.gethostname(), "pid": str(os.getpid())}
        self.append(Kind.OPENED, NOBODY, origin)
        self._tasks = [asyncio.create_task(work) for work in (self._store_all(), self._report_all())]
        return self

    async def __aexit__(self, *error: object) -> None:
        """What cannot be stored any more stays on disk."""
        try:
            await self.sealed(_LAST_S)
        except (AuditAway, SinkAway) as e:
            log.warning("audit_not_sealed", reason=str(e), waiting=len(self._waiting))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._waiting:
            self._spool.add(self._waiting)
        self._spool.close()

    def _add(self, kind: Kind, about: About, said: Mapping[str, str]) -> None:
        self._newest = self._chain.add(kind, about, said)
        self._waiting.append(self._newest)
        if self._away:
            self._spool.add(self._waiting[-1:])
        self._more.set()
        ENTRIES.labels(kind.value).inc()
        WAITING.set(len(self._waiting))

    def _lose(self, kind: Kind) -> None:
        if not self._lost:
            log.error("audit_entries_lost", kind=kind.value, reason=self._away)
        self._lost += 1
        LOST.inc()

    def _has(self, one: Record) -> bool:
        return self._stored is not None and self._stored.entry.seq >= one.entry.seq

    async def _store_all(self) -> None:
        while True:
            await self._more.wait()
            batch = self._waiting[:_BATCH]
            try:
                await self._store.append(self.writer, batch)
            except (QueueAway, AuditAway) as e:
                await self._wait_for_redis(str(e))
            except Exception as e:  # our own fault: it must not end the audit of a process that goes on
                log.exception("audit_failed")
                await self._wait_for_redis(f"a fault of netcheck's own: {e}")
            else:
                self._keep(batch)

    def _keep(self, batch: list[Record]) -> None:
        del self._waiting[: len(batch)]
        self._stored = batch[-1]
        if not self._waiting:
            self._more.clear()
            self._back()
        WAITING.set(len(self._waiting))
        self._moved.set()
        self._begun.set()

    async def _wait_for_redis(self, reason: str) -> None:
        if not self._away:
            log.warning("audit_away", reason=reason, waiting=len(self._waiting))
        self._away = reason
        self._spool.add(self._waiting)
        await asyncio.sleep(_PAUSE_S)

    def _back(self) -> None:
        if self._away:
            log.info("audit_back")
            self._away = ""
        self._spool.clear()

    async def _report_all(self) -> None:
        await self._begun.wait()
        while True:
            try:
                await self._report()
            except SinkAway as e:
                if not self._sink_away:
                    log.warning("audit_sink_away", reason=str(e))
                self._sink_away = str(e)
            except Exception:  # as above
                log.exception("audit_failed")
            await asyncio.sleep(self._every_s)

    async def _report(self) -> None:
        """The head of what is stored, where the sink does not have it yet. Raises `SinkAway`."""
        async with self._sinking:
            stored, signer = self._stored, self._chain.signer
            if stored is None or (self._sunk is not None and self._sunk.seq == stored.entry.seq):
                return
            head = lines.sign(signer, lines.head_of(stored))
            first = () if self._sunk else (lines.dumps(lines.key_line(signer, stored.entry.at)),)
            SINK_AWAY.set(1)
            await self._sink.send((*first, lines.dumps(head)))
            SINK_AWAY.set(0)
            self._sunk = head
            if self._sink_away:
                log.info("audit_sink_back")
                self._sink_away = ""
