"""The audit as the approver's witness: a chain of its own, and its counter-signature over all chains. I/O."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from bot.approver.witness import Note, NotSealed
from bot.settings import BotSettings
from workers.audit import opening
from workers.audit.counter import CounterSigner
from workers.audit.entry import About, Kind
from workers.audit.errors import AuditError
from workers.audit.memory import SqliteMemory
from workers.audit.trail import Audit
from workers.jobs import Jobs, QueueAway

ROLE = "approver"


class Audited:
    """A `Witness`."""

    def __init__(self, audit: Audit, counter: CounterSigner) -> None:
        self._audit, self._counter = audit, counter

    async def note(self, note: Note) -> None:
        """It is stored when this returns. Raises `NotSealed`."""
        self._audit.append(Kind(note.what), About(note.who, note.channel, note.cluster, note.approval, note.trace), note.said)
        try:
            await self._audit.kept()
        except AuditError as e:
            raise NotSealed(str(e)) from e

    async def seal(self) -> None:
        """Its own head first, then those of all. Raises `NotSealed`."""
        try:
            await self._audit.sealed()
            await self._counter.seal_heads()
        except (AuditError, QueueAway) as e:
            raise NotSealed(str(e)) from e


@contextlib.asynccontextmanager
async def opened(settings: BotSettings, jobs: Jobs) -> AsyncIterator[Audited]:
    """For the time of the block. Only for who has the approver's store. Raises `UsageError`."""
    memory = SqliteMemory(settings.approver_folder / "audit.db")
    try:
        async with opening.opened(settings, ROLE, jobs) as audit:
            store, sink = opening.store_of(settings, jobs), opening.sink_of(settings)
            signer = opening.signer_of(settings, ROLE)
            yield Audited(audit, CounterSigner(signer, store, sink, memory, lambda: opening.known_keys(settings)))
    finally:
        memory.close()
