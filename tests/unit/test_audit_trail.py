"""The audit on a real Redis: kept, sealed, counter-signed, whatever goes away on the way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.queue_parts import wait_until_ended
from tests.unit.audit_parts import ANN, signer
from tests.unit.conftest import RedisPlace
from workers.audit import key_files, lines, reading, sinks, spool, trail
from workers.audit.chain import Chain
from workers.audit.counter import CounterSigner
from workers.audit.entry import Kind
from workers.audit.errors import AuditAway, AuditTampered, SinkAway
from workers.audit.keys import Keys, Signer, by_id
from workers.audit.memory import SqliteMemory
from workers.audit.opening import now_ms
from workers.audit.reading import Reader, Wanted
from workers.audit.store import Store
from workers.audit.trail import Audit
from workers.audit.verify import Clock, Verdict, What, verify
from workers.errors import BadKeyFile, UsageError
from workers.jobs import Server
from workers.queue.embedded import Embedded
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


@pytest_asyncio.fixture
async def place(redis_place: RedisPlace, tmp_path: Path) -> AsyncIterator[Place]:
    server = redis_place.server()
    yield Place(server, RedisKeys(redis_place.tag), tmp_path)
    await server.aclose()


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


async def test_a_file_keeps_every_line_and_survives_half_of_one(tmp_path: Path) -> None:
    sink = sinks.made(f"file:{tmp_path}/audit/heads.log")
    await sink.send(["one", "two"])
    (path,) = sinks.files(sink)
    with path.open("a") as file:
        file.write("hal")
    await asyncio.gather(*(sink.send([f"line {n}"]) for n in range(20)))
    told = path.read_text().splitlines()
    assert told[:3] == ["one", "two", "hal"]
    assert sorted(told[3:]) == sorted(f"line {n}" for n in range(20))
    assert path.stat().st_mode & 0o007 == 0


async def test_a_file_that_cannot_be_written_is_said_so() -> None:
    with pytest.raises(SinkAway, match="/proc/nowhere"):
        await sinks.made("file:/proc/nowhere/heads.log").send(["x"])


async def test_syslog_over_tcp_gets_whole_messages() -> None:
    heard = bytearray()
    done = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read())
        writer.close()
        done.set()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        await sinks.made(f"syslog:127.0.0.1:{server.sockets[0].getsockname()[1]}").send(["one", "two"])
        async with asyncio.timeout(20):
            await done.wait()
    length, _, rest = bytes(heard).partition(b" ")
    assert rest[: int(length)].startswith(b"<109>1 ")
    assert rest[: int(length)].endswith(b" audit - one")
    assert rest.endswith(b" audit - two")


async def test_the_local_syslog_gets_a_datagram_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "log")
    monkeypatch.setattr(sinks, "_LOCAL", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        await sinks.made("syslog:").send(["one", "two"])
        assert [daemon.recv(4096)[-3:] for _ in range(2)] == [b"one", b"two"]
    monkeypatch.setattr(sinks, "_LOCAL", str(tmp_path / "none"))
    with pytest.raises(SinkAway):
        await sinks.made("syslog:").send(["one"])


@pytest.mark.parametrize(
    ("answer", "status", "taken"),
    [("{}", 200, True), ("", 200, True), ('{"partialSuccess":{"rejectedLogRecords":"1"}}', 200, False), ("{}", 503, False)],
)
async def test_a_collector_gets_a_record_a_line_and_may_refuse(answer: str, status: int, *, taken: bool) -> None:
    got: list[object] = []

    async def collect(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response(text=answer, status=status, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/logs", collect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        sink = sinks.made(f"otlp:http://127.0.0.1:{runner.addresses[0][1]}")
        with contextlib.nullcontext() if taken else pytest.raises(SinkAway):
            await sink.send(["one"])
    finally:
        await runner.cleanup()
    assert '"stringValue": "one"' in str(got).replace("'", '"')


@pytest.mark.parametrize("setting", ["", "file:relative", "syslog:host", "otlp:ftp://x", "redis:", "file:/a,,x"])
def test_a_sink_that_is_none_is_named(setting: str) -> None:
    with pytest.raises(UsageError, match="NETCHECK_AUDIT_SINK"):
        sinks.made(setting)


def test_a_key_is_made_once_and_its_public_half_is_beside_it(tmp_path: Path) -> None:
    first, second = key_files.signer("bot", tmp_path), key_files.signer("bot", tmp_path)
    assert first.public == second.public
    assert (tmp_path / "audit" / "bot.key").stat().st_mode & 0o077 == 0
    assert key_files.public([tmp_path / "audit" / "bot.pub"]) == {first.public.id: first.public}
    (tmp_path / "audit" / "bot.key").chmod(0o644)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        key_files.signer("bot", tmp_path)
    (tmp_path / "no.key").write_text("x")
    (tmp_path / "no.key").chmod(0o600)
    with pytest.raises(BadKeyFile, match="holds no private key"):
        key_files.signer("bot", tmp_path, tmp_path / "no.key")
