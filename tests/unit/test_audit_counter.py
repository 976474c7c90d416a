"""The approver counter-signs all heads outside Redis, and nothing more once somebody tampered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.unit.audit_parts import ANN, signer
from tests.unit.audit_place import APPROVER, BOT, KEYS, Place
from workers.audit import lines
from workers.audit.chain import Chain
from workers.audit.counter import CounterSigner
from workers.audit.entry import Kind
from workers.audit.errors import AuditTampered, SinkAway
from workers.audit.keys import Keys
from workers.audit.memory import SqliteMemory
from workers.audit.opening import now_ms


@dataclass
class Approver:
    """A counter-signer with a memory on disk, as often as it is started."""

    place: Place
    keys: Keys = field(default_factory=lambda: KEYS)

    @contextlib.contextmanager
    def started(self) -> Iterator[CounterSigner]:
        memory = SqliteMemory(self.place.folder / "approver.db")
        yield CounterSigner(APPROVER, self.place.store, self.place.sink, memory, lambda: self.keys)
        memory.close()

    async def seals(self) -> dict[str, int]:
        with self.started() as counter:
            return {writer: head.seq for writer, head in (await counter.seal_heads()).items()}


async def test_all_heads_are_counter_signed_outside_redis(place: Place) -> None:
    approver = Approver(place)
    async with contextlib.AsyncExitStack() as stack:
        audits = [await stack.enter_async_context(place.audit(BOT, f"n{n}")) for n in range(10)]
        for audit in audits:
            await audit.kept()
        assert await approver.seals() == {audit.writer: 1 for audit in audits}
        audits[0].append(Kind.GRANT, ANN)
        await audits[0].kept()
        assert (await approver.seals())["bot-n0"] == 2
        assert (await approver.seals())["bot-n0"] == 2
    sunk = lines.read(place.sink.lines)
    assert [(seal.seq, len(seal.heads)) for seal in sunk.seals] == [(1, 8), (2, 2), (3, 1)]
    assert max(len(line) for line in place.sink.lines) < 2048
    assert (await place.verdict()).good


@pytest.mark.parametrize("what", ["last", "middle", "chain", "everything", "forged", "stranger"])
async def test_who_tampers_between_two_seals_stops_all_changes(place: Place, what: str) -> None:
    approver = Approver(place)
    async with place.audit() as audit:
        for _ in range(3):
            audit.append(Kind.VOTE, ANN)
        await audit.kept()
        await approver.seals()
        audit.append(Kind.GRANT, ANN)
        audit.append(Kind.GRANT, ANN)
        await audit.kept()
        chain = place.keys.audit(audit.writer)
        if what == "last":
            for _ in range(4):
                await place.removes(audit.writer, -1)
        elif what == "middle":
            await place.removes(audit.writer, 4)
        elif what == "chain":
            await place.server.command("DEL", chain)
        elif what == "everything":
            await place.server.command("DEL", chain, place.keys.audit_writers)
        elif what == "forged":
            await place.server.command("XADD", chain, "*", "r", "1.x.y.{}")
        else:
            fork = Chain(signer("bot"), "zz", now_ms)
            await place.store.append(fork.writer, [fork.add(Kind.GRANT, ANN, {})])
        with pytest.raises(AuditTampered):
            await approver.seals()


async def test_a_seal_that_the_sink_did_not_take_is_sent_first_next_time(place: Place) -> None:
    approver = Approver(place)
    async with place.audit() as audit:
        await audit.sealed()
        place.sink.away = True
        with pytest.raises(SinkAway):
            await approver.seals()
        place.sink.away = False
        audit.append(Kind.GRANT, ANN)
        await audit.kept()
        await approver.seals()
    assert [seal.seq for seal in lines.read(place.sink.lines).seals] == [1, 2]
    assert (await place.verdict()).good
