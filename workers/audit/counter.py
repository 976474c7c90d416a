"""The counter-signer: whoever signs grants vouches for all heads first, and sends that out of Redis.

It remembers how far each chain had got, so that whoever can write to Redis cannot take an entry back between two of its looks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from workers.audit import lines, record
from workers.audit.entry import time_of
from workers.audit.errors import AuditTampered
from workers.audit.follow import follow
from workers.audit.keys import Keys, Signer
from workers.audit.lines import Head, Seal
from workers.audit.record import Unsound
from workers.audit.sinks import Sink
from workers.audit.store import Store
from workers.audit.verify import Clock

_CHUNK = 8
"""Heads in a seal: its line stays below the 2 KiB that every syslog daemon takes (RFC 5424, 6.1)."""
_AT_ONCE = 32
_DAY_MS = 86_400_000
Heads = Mapping[str, Head]
"""How far each chain has got, by writer."""


class Memory(Protocol):
    """What the counter-signer remembers, in a store of its own that is fsynced and not in Redis."""

    def heads(self) -> dict[str, Head]:
        """What was vouched for last, by writer."""

    def last(self) -> Seal | None:
        """The newest seal."""

    def remember(self, seals: Sequence[Seal]) -> None:
        """All of them and their heads, or none; they are unsent."""

    def unsent(self) -> tuple[Seal, ...]:
        """Seals of which it is not known that the sink has them, in their order."""

    def sent(self) -> None:
        """The sink has all of them."""

    def forget(self, writers: Sequence[str]) -> None:
        """Their chains have expired."""


@dataclass(frozen=True)
class _Look:
    """What was found of one chain: its head where it moved, what is wrong with it, or that it is forgotten."""

    writer: str
    head: Head | None = None
    moved: bool = False
    fault: str = ""


class CounterSigner:
    """One for each process that has the role. `keys` are those that are trusted, asked for anew each time."""

    def __init__(self, signer: Signer, store: Store, sink: Sink, memory: Memory, keys: Callable[[], Keys]) -> None:
        self._signer, self._store, self._sink, self._memory, self._keys = signer, store, sink, memory, keys
        self._lock = asyncio.Lock()

    async def seal_heads(self) -> Heads:
        """All chains as they are now, vouched for outside Redis when this returns.

        Raises `AuditTampered` where one of them does not continue what was seen last, `SinkAway`, `QueueAway`: no change goes on.
        """
        async with self._lock:
            await self._send()
            looks = await self._looked()
            faults = tuple(f"{look.writer}: {look.fault}" for look in looks if look.fault)
            if faults:
                raise AuditTampered(faults)
            self._memory.forget([look.writer for look in looks if look.head is None])
            self._memory.remember(self._seals([look.head for look in looks if look.moved and look.head]))
            await self._send()
            return {look.writer: look.head for look in looks if look.head}

    async def _send(self) -> None:
        """Remembered first, sent then: a process that dies in between sends the same lines again."""
        unsent = self._memory.unsent()
        if unsent:
            at = unsent[0].at
            await self._sink.send([lines.dumps(lines.key_line(self._signer, at)), *map(lines.dumps, unsent)])
            self._memory.sent()

    async def _looked(self) -> list[_Look]:
        seen, keys = self._memory.heads(), self._keys()
        clock = Clock(time.time_ns() // 1_000_000, self._store.keep_days * _DAY_MS)
        names = sorted({*seen, *(writer.name for writer in await self._store.writers())})
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> _Look:
            async with gate:
                return await self._look(name, seen.get(name), keys, clock)

        return list(await asyncio.gather(*map(one, names)))

    async def _look(self, writer: str, seen: Head | None, keys: Keys, clock: Clock) -> _Look:
        last = await self._store.last(writer)
        if last is None:
            gone = seen is not None and not clock.expired(seen)
            return _Look(writer, fault="the chain is gone" if gone else "")
        if seen is not None and _is(last, seen):
            return _Look(writer, seen)
        stored = await self._store.chain(writer, seen)
        head, fault = await asyncio.to_thread(follow, stored, seen, keys, clock)
        if head is None or fault:
            return _Look(writer, fault=fault or "its end was cut off")
        if head.writer != writer:
            return _Look(writer, fault=f"holds the chain of {head.writer!r}")
        return _Look(writer, head, moved=head != (seen.bare if seen else None))

    def _seals(self, heads: Sequence[Head]) -> list[Seal]:
        last, at = self._memory.last(), time_of(time.time_ns() // 1_000_000)
        made: list[Seal] = []
        for start in range(0, len(heads), _CHUNK):
            before = made[-1] if made else last
            seq, previous = (before.seq + 1, before.digest) if before else (1, "")
            chunk = tuple(heads[start : start + _CHUNK])
            made.append(lines.sign(self._signer, Seal(self._signer.role, seq, previous, at, chunk)))
        return made


def _is(stored: bytes, seen: Head) -> bool:
    try:
        return record.read(stored).digest == seen.digest
    except Unsound:
        return False
