"""`netcheck-bot audit` on a real Redis: what it shows, exports and proves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from bot.cli import cli
from tests.unit.audit_parts import ANN
from tests.unit.conftest import RedisPlace
from workers.audit import opening
from workers.audit.entry import About, Kind
from workers.audit.memory import SqliteMemory
from workers.jobs import Jobs
from workers.seal import read_or_make
from workers.settings import Settings

UNREADABLE = Path("/proc/self/mem")
"""Nobody can read its beginning, not even root."""
NO_KEY = {"DATA_DIR": "/proc/x"}


@pytest.fixture
def settings(redis_place: RedisPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation whose bot wrote three entries and ended, and whose worker wrote one."""
    named = {"REDIS_URL": redis_place.url, "REDIS_TAG": redis_place.tag, "DATA_DIR": tmp_path, "CLUSTER": "lab"}
    for name, value in (*named.items(), ("JOB_KEY_FILE", redis_place.key_file)):
        monkeypatch.setenv(f"NETCHECK_{name}", str(value))
    settings = Settings(redis_url=SecretStr(redis_place.url), redis_tag=redis_place.tag, data_dir=tmp_path, cluster="lab")

    async def write(jobs: Jobs) -> None:
        async with opening.opened(settings, "bot", jobs) as bot:
            bot.append(Kind.COMMAND, About("U0ANN", "C0INC", "lab", trace="t-1"), {"line": "pod web"})
            bot.append(Kind.DECISION, ANN, {"line": "pod web", "reason": "rule 'all'"})
            bot.append(Kind.COMMAND, About("U0BOB", trace="t-2"), {"line": "pod \x1b[2J evil"})
        async with opening.opened(settings, "worker", jobs) as worker:
            worker.append(Kind.EXECUTION, ANN, {"verdict": "healthy"})

    in_redis(redis_place, write)
    return settings


def in_redis(place: RedisPlace, act: Callable[[Jobs], Awaitable[None]]) -> None:
    async def acted() -> None:
        async with contextlib.aclosing(place.jobs()) as jobs:
            await act(jobs)

    asyncio.run(acted())


def audit(*words: str) -> Result:
    return CliRunner().invoke(cli, ["audit", *words], catch_exceptions=False)


async def _remove_last(jobs: Jobs) -> None:
    (writer, _) = await jobs.server.command("ZRANGE", jobs.keys.audit_writers, 0, -1)
    chain = jobs.keys.audit(writer.decode())
    ((last, _),) = await jobs.server.command("XREVRANGE", chain, "+", "-", "COUNT", 1)
    await jobs.server.command("XDEL", chain, last)


@pytest.mark.usefixtures("settings")
def test_what_was_written_is_proved() -> None:
    done = audit("verify")
    assert (done.exit_code, "✅ nothing was tampered with: 6 entries, 6 of them" in done.output) == (0, True), done.output


@pytest.mark.usefixtures("settings")
def test_what_was_cut_off_is_told_by_name(redis_place: RedisPlace) -> None:
    in_redis(redis_place, _remove_last)
    done = audit("verify")
    assert done.exit_code == 1
    assert "🔴 cut off: " in done.output


def test_without_the_sink_it_cannot_be_told_but_what_is_plain_is_said(settings: Settings, redis_place: RedisPlace) -> None:
    (settings.data_dir / "audit" / "heads.log").rename(settings.data_dir / "elsewhere.log")
    assert audit("verify").exit_code == 3
    in_redis(redis_place, _remove_last)
    assert audit("verify").exit_code == 3  # as nobody can see without the sink
    assert audit("verify", "--sink", str(settings.data_dir / "elsewhere.log")).exit_code == 1


def test_only_pinned_keys_are_trusted_where_they_are_named(settings: Settings) -> None:
    keys = settings.data_dir / "keys"
    keys.write_text((settings.data_dir / "audit" / "bot.pub").read_text())
    assert audit("verify", "--keys", str(keys)).exit_code == 1
    with keys.open("a") as file:
        file.write((settings.data_dir / "audit" / "worker.pub").read_text())
    assert audit("verify", "--keys", str(keys)).exit_code == 0


def test_what_the_approver_sealed_is_proved_from_its_seals_alone(settings: Settings, redis_place: RedisPlace) -> None:
    """Whoever takes the last heads of writers out of the sink is found by the seals, and the other way round."""

    async def seal(jobs: Jobs) -> None:
        memory = SqliteMemory(settings.data_dir / "approver" / "audit.db")
        heads = await opening.countersigner(settings, jobs, memory).seal_heads()
        memory.close()
        assert sorted(head.seq for head in heads.values()) == [2, 4]

    in_redis(redis_place, seal)
    log = settings.data_dir / "audit" / "heads.log"
    log.write_text("".join(line for line in log.read_text().splitlines(keepends=True) if '"what":"head"' not in line))
    assert audit("verify").exit_code == 0
    in_redis(redis_place, _remove_last)
    assert audit("verify").exit_code == 1


@pytest.mark.usefixtures("settings")
def test_it_shows_the_newest_first_and_lets_nothing_through_to_the_terminal() -> None:
    lines = audit("show").output.splitlines()
    assert len(lines) == 7
    assert "execution" in lines[1]
    assert "\x1b" not in "".join(lines)
    assert not any(line.startswith("?") for line in lines)


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--user", "U0ANN"], 3), (["--job", "job-1"], 3), (["--kind", "command"], 2), (["--since", "0s"], 0),
        (["--limit", "2"], 2), (["--since", "2h", "--user", "U0BOB"], 1),
    ],
)  # fmt: skip
def test_it_shows_what_is_wanted(words: list[str], count: int) -> None:
    """A job's entries are those of its trace too."""
    assert len(audit("show", *words).output.splitlines()) == count + 1


@pytest.mark.usefixtures("settings")
def test_unknown_kinds_and_times_are_usage_errors() -> None:
    assert audit("show", "--kind", "murder").exit_code == 2
    assert audit("show", "--since", "ever").exit_code == 2


def test_an_entry_of_a_key_that_is_not_known_here_is_marked(settings: Settings) -> None:
    (settings.data_dir / "audit" / "worker.pub").write_text("")
    assert sum(line.startswith("?") for line in audit("show").output.splitlines()) == 2


def test_an_export_is_proved_without_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings.data_dir / "export.jsonl"
    assert audit("export", "--output", str(file)).exit_code == 0
    entries = [json.loads(line)["entry"] for line in file.read_text().splitlines()]
    assert len(entries) == 6
    monkeypatch.setenv("NETCHECK_REDIS_URL", "unix:///nowhere/redis.sock")
    assert audit("verify", "--from", str(file)).exit_code == 0
    file.write_text(file.read_text().replace("pod web", "pod wep", 1))
    assert audit("verify", "--from", str(file)).exit_code == 1
    file.write_text("[]\n")
    assert audit("verify", "--from", str(file)).exit_code == 2
    assert audit("verify").exit_code == 3


def test_what_is_no_entry_is_exported_and_told(settings: Settings, redis_place: RedisPlace) -> None:
    async def write(jobs: Jobs) -> None:
        (writer, _) = await jobs.server.command("ZRANGE", jobs.keys.audit_writers, 0, -1)
        await jobs.server.command("XADD", jobs.keys.audit(writer.decode()), "*", "x", "\x1b[2J")

    in_redis(redis_place, write)
    assert "1 records in Redis are no entries" in audit("show").output
    file = settings.data_dir / "export.jsonl"
    audit("export", "--output", str(file))
    assert sum("unreadable" in json.loads(line) for line in file.read_text().splitlines()) == 1
    assert audit("verify").exit_code == 1
    assert audit("verify", "--from", str(file)).exit_code == 1


@pytest.mark.parametrize(
    ("wrong", "status", "named"),
    [
        ({"REDIS_URL": "foo"}, 2, "NETCHECK_REDIS_URL"),
        ({"REDIS_URL": "redis://h:notaport"}, 2, "NETCHECK_REDIS_URL"),
        ({"REDIS_URL": "http://h"}, 2, "NETCHECK_REDIS_URL"),
        ({"REDIS_URL": "unix://"}, 2, "NETCHECK_REDIS_URL"),
        ({"REDIS_URL": "redis://h?db=first"}, 2, "NETCHECK_REDIS_URL"),
        ({"REDIS_URL": "redis://h?no_such_option=1"}, 2, "NETCHECK_REDIS_URL"),
        ({"REDIS_TAG": "a}{b"}, 2, "NETCHECK_REDIS_TAG"),
        ({"JOB_KEY_FILE": "/nonexistent"}, 2, "NETCHECK_JOB_KEY_FILE"),
        (NO_KEY, 3, "Redis is away"),
        ({"DATA_DIR": "/" + "x" * 120, "REDIS_URL": ""}, 2, "NETCHECK_DATA_DIR"),
        ({"DATA_DIR": "/proc/x", "REDIS_URL": ""}, 3, "NETCHECK_DATA_DIR"),
        ({}, 3, "Redis is away"),
    ],
)
@pytest.mark.parametrize("what", ["verify", "show", "export"])
def test_what_cannot_be_looked_at_was_not_tampered_with(
    what: str, wrong: dict[str, str], status: int, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "sealing.key"
    read_or_make(key)
    given = {"REDIS_URL": "redis://127.0.0.1:1", "DATA_DIR": str(tmp_path), "JOB_KEY_FILE": str(key)}
    if wrong == NO_KEY:
        del given["JOB_KEY_FILE"]
    for name, value in (given | wrong).items():
        monkeypatch.setenv(f"NETCHECK_{name}", value)
    done = audit(what)
    assert (done.exit_code, len(done.output.splitlines())) == (status, 1), done.output
    assert named in done.output


@pytest.mark.parametrize("what", ["verify", "show", "export"])
def test_before_anything_was_audited_it_says_so_and_where_it_looked_and_makes_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("NETCHECK_REDIS_URL", raising=False)
    done = audit(what)
    assert (done.exit_code, list(tmp_path.iterdir())) == (3, [])
    assert done.output.startswith("❔ nothing was audited yet, as far as can be seen: ")
    assert f"{tmp_path}/data (NETCHECK_DATA_DIR)" in done.output
    assert (f"no head in {tmp_path}/data/audit/heads.log" in done.output) == (what == "verify")


def test_a_redis_that_is_gone_while_the_sink_has_heads_was_cut_off(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.redis_url
    monkeypatch.delenv("NETCHECK_REDIS_URL")
    done = audit("verify")
    assert (done.exit_code, "🔴 cut off: " in done.output) == (1, True), done.output


@pytest.mark.usefixtures("settings")
def test_a_sink_that_cannot_be_read_was_not_tampered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_AUDIT_SINK", f"file:{UNREADABLE}")
    done = audit("verify")
    assert (done.exit_code, f"cannot be read: {UNREADABLE}" in done.stderr) == (2, True)


def test_an_export_that_cannot_be_read_was_not_tampered_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path))
    done = audit("verify", "--from", str(UNREADABLE))
    assert (done.exit_code, f"{UNREADABLE}: cannot be read" in done.stderr) == (2, True)


def sunk(data_dir: Path, *lines: str) -> None:
    (data_dir / "audit").mkdir(exist_ok=True)
    (data_dir / "audit" / "heads.log").write_text("".join(f"{line}\n" for line in lines))


def keys_of(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if '"what":"key"' in line]


def test_a_sink_that_nobody_can_read_is_not_one_without_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("NETCHECK_REDIS_URL", raising=False)
    sunk(tmp_path, "netcheck-audit {", "netcheck-audit half")
    done = audit("verify")
    assert (done.exit_code, "lines 1, 2 of the sink say nothing" in done.output, "nothing was audited" in done.output) == (
        3, True, False,
    ), done.output  # fmt: skip


@pytest.mark.parametrize("keys", ["named", "pinned"])
def test_a_sink_of_another_installation_is_asked_about(settings: Settings, keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_CLUSTER", "mistyped")
    monkeypatch.setenv("NETCHECK_REDIS_TAG", "empty")
    done = audit("verify", *(["--keys", str(settings.data_dir / "audit" / "bot.pub")] if keys == "pinned" else []))
    assert (done.exit_code, "is NETCHECK_CLUSTER the one that it runs with?" in done.output) == (3, True), done.output
    assert "nothing was audited" not in done.output


@pytest.mark.parametrize("keys", ["named", "pinned"])
def test_nothing_in_redis_and_no_head_in_the_sink_is_no_proof_whatever_keys_are_known(
    settings: Settings, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Redis may have been wiped, and the sink cut back to its lines of keys."""
    folder = settings.data_dir / "audit"
    sunk(settings.data_dir, *([] if keys == "pinned" else keys_of(folder / "heads.log")))
    monkeypatch.delenv("NETCHECK_REDIS_URL")
    done = audit("verify", *(["--keys", str(folder / "bot.pub")] if keys == "pinned" else []))
    assert (done.exit_code, done.output.startswith("❔ nothing was audited yet")) == (3, True), done.output
