"""What people are shown of the audit: verified, mixed by time, and cut where it would be too much."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.audit_parts import ANN
from tests.unit.audit_place import BOT, KEYS, WORKER, Place
from workers.audit import reading
from workers.audit.chain import Chain
from workers.audit.entry import Kind
from workers.audit.keys import by_id
from workers.audit.opening import now_ms
from workers.audit.reading import Reader, Wanted


async def test_what_people_are_shown_is_verified_and_the_entries_of_several_are_mixed_by_time(place: Place) -> None:
    reader = Reader(place.store, lambda: by_id([BOT.public]))
    chains = [Chain(BOT, "a1", now_ms), Chain(WORKER, "b2", now_ms), Chain(BOT, "c3", now_ms)]
    for n in range(9):
        record = chains[n % 3].add(Kind.COMMAND if n % 2 else Kind.DECISION, ANN, {"n": str(n)})
        await place.store.append(record.entry.writer, [record])
        await asyncio.sleep(0.002)
    await place.server.command("XADD", place.keys.audit("bot-a1"), "*", "r", "1.x.y.[[[")
    found = await reader.newest(Wanted(limit=4))
    assert [seen.entry.said["n"] for seen in found.seen] == ["8", "7", "6", "5"]
    assert [bool(seen.doubt) for seen in found.seen] == [False, True, False, False]
    assert found.unreadable == 1
    assert len((await reader.newest(Wanted(kind=Kind.COMMAND))).seen) == 4
    assert (await reader.newest(Wanted(who="U0BOB"))).seen == ()


async def test_a_question_that_would_read_too_much_is_cut_and_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(BOT, "a1", now_ms)
    await place.store.append(chain.writer, [chain.add(Kind.COMMAND, ANN, {}) for _ in range(30)])
    monkeypatch.setattr(reading, "MOST_READ", 20)
    found = await Reader(place.store, lambda: KEYS).newest(Wanted(who="U0BOB"))
    assert (found.seen, found.cut) == ((), True)
