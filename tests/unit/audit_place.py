"""One installation's audit in Redis and outside it, for tests that take something away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.audit_parts import signer
from workers.audit import lines, spool
from workers.audit.chain import Chain
from workers.audit.errors import SinkAway
from workers.audit.keys import Keys, Signer, by_id
from workers.audit.opening import now_ms
from workers.audit.store import Store
from workers.audit.trail import Audit
from workers.audit.verify import Clock, Verdict, verify
from workers.jobs import Server
from workers.queue.keys import Keys as RedisKeys

BOT, WORKER, APPROVER = signer("bot"), signer("worker"), signer("approver")
KEYS: Keys = by_id([BOT.public, WORKER.public, APPROVER.public])


@dataclass
class Remembering:
    """A sink that can be away."""

    lines: list[str] = field(default_factory=list)
    away: bool = False

    async def send(self, lines: Sequence[str]) -> None:
        if self.away:
            raise SinkAway("away")
        self.lines += lines


@dataclass
class Place:
    """One installation's audit, and what tampers with it."""

    server: Server
    keys: RedisKeys
    folder: Path
    sink: Remembering = field(default_factory=Remembering)

    def __post_init__(self) -> None:
        self.store = Store(self.server, self.keys, 30)

    def audit(self, by: Signer = BOT, name: str = "a1") -> Audit:
        chain = Chain(by, name, now_ms)
        return Audit(chain, self.store, self.sink, spool.Spool(self.folder / "waiting", chain.writer), every_s=0.02)

    async def verdict(self) -> Verdict:
        sunk = lines.read(self.sink.lines)
        names = {writer.name for writer in await self.store.writers()} | {head.writer for head in sunk.heads}
        chains = {name: await self.store.chain(name) for name in names}
        return verify(chains, sunk, sunk.keys, Clock(now_ms(), 30 * 86_400_000))

    async def ids(self, writer: str) -> list[bytes]:
        return [one for one, _ in await self.server.command("XRANGE", self.keys.audit(writer), "-", "+")]

    async def removes(self, writer: str, place: int) -> None:
        await self.server.command("XDEL", self.keys.audit(writer), (await self.ids(writer))[place])
