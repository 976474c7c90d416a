"""Who can write to Redis can neither make a job nor put words into a thread."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.queue_parts import job, queued
from tests.unit.conftest import RedisPlace
from workers.errors import BadKeyFile
from workers.jobs import Forged, Jobs, State
from workers.queue.keys import Keys
from workers.seal import Key, Seal, read, read_or_make

OURS = Seal((Key("new", b"n" * 32), Key("old", b"o" * 32)))


@given(st.text(), st.text(), st.binary())
def test_what_was_sealed_opens_for_its_purpose_and_subject(purpose: str, subject: str, data: bytes) -> None:
    assert OURS.open(purpose, subject, OURS.close(purpose, subject, data)) == data


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.binary())
def test_it_opens_for_no_other(purpose: str, subject: str, other: str, another: str, data: bytes) -> None:
    if (purpose, subject) == (other, another):
        return
    with pytest.raises(Forged):
        OURS.open(other, another, OURS.close(purpose, subject, data))


@given(st.binary())
def test_bytes_without_a_seal_are_forged(data: bytes) -> None:
    with pytest.raises(Forged):
        OURS.open("job", "1", data)


@given(st.data())
def test_any_altered_byte_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(OURS.close("job", "1", b'{"command":"pod"}'))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Forged):
        OURS.open("job", "1", bytes(sealed))


def test_keys_rotate() -> None:
    before = Seal((Key("old", b"o" * 32),))
    assert OURS.open("job", "1", before.close("job", "1", b"x")) == b"x"
    with pytest.raises(Forged, match="not in the key file"):
        before.open("job", "1", OURS.close("job", "1", b"x"))


def test_a_key_file_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "job.key"
    sealed = read_or_make(path).close("job", "1", b"x")
    assert read_or_make(path).open("job", "1", sealed) == b"x"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["job.key"]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("", 0o600, "no sealing key"),
        ("# only a remark\n", 0o600, "no sealing key"),
        ("id tooshort\n", 0o600, "is not `ID SECRET`"),
        ("id " + "a" * 65 + "\n", 0o600, "is not `ID SECRET`"),
        ("id " + "a" * 64 + "\n", 0o604, "chmod 600"),
        ("\xff", 0o600, "cannot be read"),
    ],
)
def test_a_key_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, mode: int, said: str) -> None:
    path = tmp_path / "job.key"
    path.write_text(text, "latin-1")
    path.chmod(mode)
    with pytest.raises(BadKeyFile, match=said):
        read(path)


def test_a_key_file_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadKeyFile, match=r"file/job\.key: cannot be made: File exists"):
        read_or_make(tmp_path / "file" / "job.key")


async def test_a_forged_job_is_refused_and_never_run(jobs: Jobs, redis_place: RedisPlace) -> None:
    asked = await queued(jobs)
    await _write(redis_place, Keys(redis_place.tag).job(asked.id), "record", json.dumps({"id": asked.id, "command": "capture"}))
    heard: list[tuple[str, str]] = []
    jobs.tell_of_forged(lambda *told: heard.append(told))
    async with jobs.take("w", 0) as lease:
        assert lease is None
    assert heard == [(asked.id, f"job of {asked.id}: carries no seal")]
    [letter] = await jobs.dead_letters()
    assert (letter.job_id, letter.reason) == (asked.id, f"job of {asked.id}: carries no seal")
    depth = await jobs.depth()
    assert (depth.waiting, depth.running) == (0, 0)
    with pytest.raises(Forged):
        await jobs.status(asked.id)


async def test_the_record_of_another_job_is_refused(jobs: Jobs, redis_place: RedisPlace) -> None:
    mine, theirs = await queued(jobs), await queued(jobs)
    keys = Keys(redis_place.tag)
    async with contextlib.aclosing(redis_place.server()) as server:
        await _write(redis_place, keys.job(mine.id), "record", await server.command("HGET", keys.job(theirs.id), "record"))
    async with jobs.take("w") as lease:
        assert lease is not None
        assert lease.job == theirs


@pytest.mark.parametrize("fields", [("job", "no-such-job"), ("job", ""), ("something", "else"), ("job", b"\xff\xfe")])
async def test_an_entry_that_stands_for_no_job_is_dropped(
    jobs: Jobs, redis_place: RedisPlace, fields: tuple[str | bytes, ...]
) -> None:
    async with contextlib.aclosing(redis_place.server()) as server:
        await server.command("XADD", Keys(redis_place.tag).queue, "*", *fields)
    async with jobs.take("w", 0) as lease:
        assert lease is None
    assert (await jobs.depth()).running == 0


async def test_a_second_entry_for_a_job_does_not_run_it_again(jobs: Jobs, redis_place: RedisPlace) -> None:
    asked = await queued(jobs)
    async with contextlib.aclosing(redis_place.server()) as server:
        await server.command("XADD", Keys(redis_place.tag).queue, "*", "job", asked.id)
    async with jobs.take("w") as lease, jobs.take("w", 0.1) as nothing:
        assert lease is not None
        assert nothing is None
        await lease.finish(State.DONE)


async def test_a_job_whose_key_holds_something_else_blocks_nobody(jobs: Jobs, redis_place: RedisPlace) -> None:
    broken, fine = await queued(jobs), await queued(jobs)
    async with contextlib.aclosing(redis_place.server()) as server:
        await server.command("SET", Keys(redis_place.tag).job(broken.id), "not a hash")
    async with jobs.take("w") as lease:
        assert lease is not None
        assert lease.job == fine


async def test_a_forged_outcome_counts_as_none(jobs: Jobs, redis_place: RedisPlace) -> None:
    asked, other = await queued(jobs), await queued(jobs)
    keys = Keys(redis_place.tag)
    async with jobs.take("w") as lease, contextlib.aclosing(redis_place.server()) as server:
        assert lease is not None
        assert await lease.outcome() is None
        await lease.store_outcome(b"all is well")
        await server.command("COPY", keys.outcome(asked.id), keys.outcome(other.id))
        await server.command("SET", keys.outcome(asked.id), b"send me your token")
        assert await lease.outcome() is None
        with pytest.raises(Forged):
            await jobs.outcome(asked.id)
        with pytest.raises(Forged):
            await jobs.outcome(other.id)


async def test_a_forged_ts_counts_as_none_and_is_replaced(jobs: Jobs, redis_place: RedisPlace) -> None:
    mine, theirs = job(), job()
    keys = Keys(redis_place.tag)
    for asked in (mine, theirs):
        await jobs.intend(asked)
    await jobs.placed(theirs.id, "2.0")
    async with contextlib.aclosing(redis_place.server()) as server:
        for forged in (b"2.0", await server.command("HGET", keys.job(theirs.id), "ts"), b"", b"1.\xff.\xfe.2"):
            await server.command("HSET", keys.job(mine.id), "ts", forged)
            assert (await jobs.status(mine.id)).ts is None
            assert [await jobs.placed(mine.id, ts) for ts in ("1.0", "3.0")] == ["1.0", "1.0"]
            assert (await jobs.status(mine.id)).ts == "1.0"


async def test_jobs_of_a_retired_key_are_refused(redis_place: RedisPlace, tmp_path: Path) -> None:
    retired = tmp_path / "old.key"
    read_or_make(retired)
    old = RedisPlace(redis_place.url, retired, redis_place.tag)
    async with contextlib.aclosing(old.jobs()) as before, contextlib.aclosing(redis_place.jobs()) as now:
        await queued(before, job())
        async with now.take("w", 0) as lease:
            assert lease is None
        assert "not in the key file" in (await now.dead_letters())[0].reason


async def _write(place: RedisPlace, key: str, field: str, value: str | bytes) -> None:
    async with contextlib.aclosing(place.server()) as server:
        await server.command("HSET", key, field, value)
