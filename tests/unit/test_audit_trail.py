"""The audit on a real Redis: kept and sealed in order, whatever goes away on the way."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.queue_parts import wait_until_ended
from tests.unit.audit_parts import ANN
from tests.unit.audit_place import BOT, WORKER, Place
from workers.audit import lines, spool, trail
from workers.audit.chain import Chain
from workers.audit.entry import Kind
from workers.audit.errors import AuditAway, SinkAway
from workers.audit.opening import now_ms
from workers.audit.verify import What
from workers.jobs import Server
from workers.queue.embedded import Embedded
from workers.queue.keys import Keys as RedisKeys


async def test_what_is_appended_is_stored_in_order_and_its_head_is_outside(place: Place) -> None:
    async with place.audit() as audit:
        for n in range(500):
            audit.append(Kind.COMMAND, ANN, {"line": f"pod web-{n}"})
        head = await audit.sealed()
        assert head.seq == 501
    verdict = await place.verdict()
    assert (verdict.good, verdict.entries, verdict.unsealed) == (True, 501, {})


async def test_a_head_goes_out_by_itself(place: Place) -> None:
    async with place.audit() as audit:
        await audit.kept()
        async with asyncio.timeout(20):
            while not lines.read(place.sink.lines).heads:  # noqa: ASYNC110  (the audit has no event for it)
                await asyncio.sleep(0.01)


async def test_two_writers_at_once_have_a_chain_each(place: Place) -> None:
    async with place.audit() as one, place.audit(BOT, "b2") as two, place.audit(WORKER, "a1") as three:
        for n in range(50):
            for audit in (one, two, three):
                audit.append(Kind.DECISION, ANN, {"n": str(n)})
            await asyncio.sleep(0)
    verdict = await place.verdict()
    assert (verdict.good, verdict.entries) == (True, 153)


async def test_what_is_taken_out_of_redis_is_missed(place: Place) -> None:
    async with place.audit() as audit:
        audit.append(Kind.COMMAND, ANN)
        audit.append(Kind.COMMAND, ANN)
    await place.removes(audit.writer, 1)
    assert {problem.what for problem in (await place.verdict()).problems} == {What.REMOVED}
    await place.server.command("DEL", place.keys.audit(audit.writer), place.keys.audit_writers)
    assert {problem.what for problem in (await place.verdict()).problems} == {What.CUT_OFF}


async def test_a_chain_that_somebody_blocks_is_not_taken_for_kept(place: Place) -> None:
    """An id that no entry can follow: later ones are refused by Redis, and that is said."""
    async with place.audit() as audit:
        await audit.kept()
        await place.server.command("XADD", place.keys.audit(audit.writer), f"{2**63}-1", "r", "x")
        audit.append(Kind.COMMAND, ANN)
        with pytest.raises(AuditAway, match="takes no more"):
            await audit.kept(1.0)


async def test_what_is_older_than_it_is_kept_falls_off_and_is_not_missed(place: Place) -> None:
    day = 86_400_000
    ms = now_ms() - 31 * day
    chain = Chain(BOT, "a1", lambda: ms)
    place.sink.lines.append(lines.dumps(lines.key_line(BOT, "x")))
    for start in (now_ms() - 31 * day, now_ms()):
        ms = start
        records = [chain.add(Kind.COMMAND, ANN, {"n": str(n)}) for n in range(300)]
        await place.store.append(chain.writer, records)
        place.sink.lines.append(lines.dumps(lines.sign(BOT, lines.head_of(records[-1]))))
    kept = len(await place.store.chain(chain.writer))
    assert 300 <= kept < 500
    verdict = await place.verdict()
    assert (verdict.good, verdict.expired) == (True, (chain.writer,))


async def test_appending_twice_is_once(place: Place) -> None:
    chain = Chain(BOT, "a1", now_ms)
    records = [chain.add(Kind.COMMAND, ANN, {}) for _ in range(3)]
    for batch in (records[:2], records, records[1:]):
        await place.store.append(chain.writer, batch)
    assert await place.store.chain(chain.writer) == [one.dumps() for one in records]


async def test_without_a_sink_nothing_is_sealed_and_looking_goes_on(place: Place) -> None:
    place.sink.away = True
    async with place.audit() as audit:
        audit.append(Kind.COMMAND, ANN)
        await audit.kept()
        with pytest.raises(SinkAway):
            await audit.sealed()
        place.sink.away = False
        assert (await audit.sealed()).seq == 2


async def test_what_could_not_be_stored_by_one_process_is_stored_by_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "_LAST_S", 0.1)
    nowhere = Server("unix:///nowhere/redis.sock")
    lost = Place(nowhere, place.keys, place.folder, place.sink)
    async with lost.audit() as audit:
        audit.append(Kind.REFUSAL, ANN, {"reason": "no"})
        with pytest.raises(AuditAway):
            await audit.kept(0.1)
        with spool.left_behind(place.folder / "waiting") as left:
            assert left == []  # its process lives
    with spool.left_behind(place.folder / "waiting") as (records,):
        await place.store.append(records[0].entry.writer, records)
    assert [record.split(b'"kind":"')[1].split(b'"')[0] for record in await place.store.chain(audit.writer)] == [
        b"opened",
        b"refusal",
    ]
    with spool.left_behind(place.folder / "waiting") as left:
        assert left == []
    await nowhere.aclose()


async def test_too_many_that_wait_are_counted_and_the_audit_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "MOST_WAITING", 3)
    async with place.audit() as audit:
        for _ in range(5):
            audit.append(Kind.COMMAND, ANN)
        with pytest.raises(AuditAway, match="3 entries of the audit were lost"):
            await audit.kept()
        await asyncio.sleep(0.2)
        audit.append(Kind.COMMAND, ANN)
    kept = await place.store.chain(audit.writer)
    assert b'"kind":"lost"' in kept[3]
    assert b'"entries":"3"' in kept[3]
    assert (await place.verdict()).good


def kill_server(keeper: int) -> None:
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text("ascii").split()
    os.kill(int(children[0]), signal.SIGKILL)


async def test_a_redis_that_is_killed_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path)
    await embedded.start()
    server = Server(embedded.url, revive=embedded.start)
    there = Place(server, RedisKeys(), tmp_path)
    async with there.audit() as audit:
        for n in range(200):
            audit.append(Kind.COMMAND, ANN, {"n": str(n)})
            if n == 100:
                kill_server(embedded.pid)
            await asyncio.sleep(0)
        await audit.kept(20)
    verdict = await there.verdict()
    assert (verdict.good, verdict.entries) == (True, 201)
    await server.aclose()
    embedded.stop()
    await asyncio.to_thread(wait_until_ended, tmp_path)
