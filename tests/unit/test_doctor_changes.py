"""What the doctor says of changes: which nodes take them and why not, and whether the approver is there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from bot.approver import seen
from bot.approver.board import Beat, Board, digest
from bot.cli import cli
from bot.settings import BotSettings
from tests.approvals import present
from tests.pretend_changes import NOW, OLD, state_of
from tests.queue_parts import wait_until_ended
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.doctor import Seen, changes
from workers.jobs import Jobs
from workers.queue.embedded import Embedded

POLICY = """
version = 1
[[approval]]
name = "others agree"
change = "set"
[[approval.stage]]
approvers = ["U0BOB"]
"""


@pytest.mark.parametrize(
    ("other", "said", "mend"),
    [
        ({}, "takes changes that the approver signed", False),
        ({"offered": False, "why_not": "installed to be looked at only"}, "takes no changes: installed", False),
        ({"cluster": "another"}, "it would refuse them", True),
        ({"node": "another"}, "it would refuse them", True),
        ({"unwritable": "cannot be written here"}, "but not all: cannot be written here", True),
        ({"lost": "the journal is damaged"}, "but not all: the journal is damaged", True),
        ({"now": NOW + 45.0}, "its clock is +45 s", True),
    ],
)
def test_of_each_node_it_is_said_whether_it_takes_changes(other: dict[str, Any], said: str, mend: bool) -> None:  # noqa: FBT001  (a case)
    found = changes("n1", replace(state_of("n1", OLD), **other), "lab", float(NOW))
    assert said in found.what
    assert bool(found.fix) is mend


async def examined(place: RedisPlace, folder: Path, policy: str = POLICY) -> Seen:
    file = folder / "policy.toml"
    file.write_text(policy)
    settings = BotSettings.model_construct(policy_file=file, data_dir=folder, job_key_file=place.key_file, redis_tag=place.tag)
    return await seen.examine(settings.model_copy(update={"redis_url": SecretStr(place.url)}))


async def test_an_approver_that_is_needed_and_not_there_is_to_be_mended(
    jobs: Jobs, redis_place: RedisPlace, tmp_path: Path
) -> None:
    assert (await examined(redis_place, tmp_path, "version = 1")).well
    unknown = await examined(redis_place, tmp_path)
    assert (unknown.warning, "cannot be told here" in unknown.what) == (True, True)
    voices = seal.read_or_make(tmp_path / "voice.key")
    missing = await examined(redis_place, tmp_path)
    assert (missing.well, missing.warning, "there is no approver" in missing.what) == (False, False, True)
    for trouble, well in (("", True), ("the audit is not sealed", False)):
        board = Board(0.0, "store", present(), trouble).dumps()
        await jobs.mail(voices).show(Beat(present(), digest(board)).dumps(), board)
        found = await examined(redis_place, tmp_path)
        assert (found.well, trouble in found.what) == (well, True)
    old = Board(0.0, "store", present()).dumps()
    await jobs.mail(voices).show(Beat(present() - 60, digest(old)).dumps(), old)
    assert "does not answer" in (await examined(redis_place, tmp_path)).what


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"REDIS_URL": "foo"}, ("❌ configuration: Settings: NETCHECK_REDIS_URL", "❌ redis: not tried: NETCHECK_REDIS_URL")),
        ({"JOB_KEY_FILE": "/nonexistent"}, ("NETCHECK_JOB_KEY_FILE: /nonexistent: cannot be read",)),
        ({"REDIS_URL": "redis://h?no_such_option=1"}, ("❌ Redis: the configured one: NETCHECK_REDIS_URL",)),
    ],
)
def test_a_wrong_setting_is_one_finding_and_the_other_parts_are_tried(
    wrong: dict[str, str], said: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.toml").write_text(POLICY)
    files = {"DATA_DIR": tmp_path, "KUBECONFIG": tmp_path / "none", "POLICY_FILE": tmp_path / "policy.toml"}
    for name, value in (*files.items(), *wrong.items()):
        monkeypatch.setenv(f"NETCHECK_{name}", str(value))
    done = CliRunner().invoke(cli, ["doctor"], catch_exceptions=False)
    assert done.exit_code == 1
    for part in (*said, "✅ policy: ", "❌ Slack: ", "⚠  audit: ", "❌ Kubernetes: ", "❌ nodes: ", " approver: "):
        assert part in done.output


def test_the_doctor_makes_nothing_and_says_what_the_first_start_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("NETCHECK_KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("NETCHECK_REDIS_URL", raising=False)
    said = CliRunner().invoke(cli, ["doctor"], catch_exceptions=False).output
    assert list(tmp_path.iterdir()) == []
    assert (
        f"⚠  Redis: embedded, in {tmp_path / 'data'}: not there yet\n   → The first `netcheck-bot bot` or `worker` makes it."
        in said
    )
    made = "the Redis, keys, the audit's files"
    assert f"at the first start `netcheck-bot bot` makes {made}; `netcheck-bot worker` makes {made}\n" in said


def test_an_empty_folder_is_no_redis_and_one_that_is_there_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "redis").mkdir()
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NETCHECK_KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("NETCHECK_REDIS_URL", raising=False)
    said = CliRunner().invoke(cli, ["doctor"], catch_exceptions=False).output
    assert ("not there yet" in said, list((tmp_path / "redis").iterdir())) == (True, [])
    embedded = Embedded(tmp_path)
    asyncio.run(embedded.start())
    embedded.stop()
    wait_until_ended(tmp_path)
    said = CliRunner().invoke(cli, ["doctor"], catch_exceptions=False).output
    assert f"✅ Redis: embedded, in {tmp_path}; jobs: 0 waiting" in said
    wait_until_ended(tmp_path)


def test_the_doctor_asks_a_redis_for_which_there_is_no_key_here_yet(
    redis_place: RedisPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"DATA_DIR": tmp_path / "data", "KUBECONFIG": tmp_path / "none", "REDIS_URL": redis_place.url}.items():
        monkeypatch.setenv(f"NETCHECK_{name}", str(value))
    said = CliRunner().invoke(cli, ["doctor"], catch_exceptions=False).output
    assert "✅ Redis: the configured one; jobs: 0 waiting" in said
    assert not (tmp_path / "data").exists()
