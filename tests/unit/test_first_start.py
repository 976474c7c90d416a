"""What the doctor says of the data directory before bot and worker have started, and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import first_start
from bot.settings import BotSettings

OF_ALL = ("redis/appendonlydir/x", "job.key", "audit/heads.log")
OF_BOT = ("voice.key", "audit/bot.key", "audit/bot.pub")
OF_WORKER = ("pseudonym.key", "audit/worker.key", "audit/worker.pub")


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_once_all_was_made_nothing_is_said(tmp_path: Path) -> None:
    put(tmp_path, *OF_ALL, *OF_BOT, *OF_WORKER)
    seen = first_start.examine(BotSettings(data_dir=tmp_path))
    assert (seen.well, seen.what) == (True, str(tmp_path))


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("audit/worker.pub", "`netcheck-bot worker` makes the audit's files"),
        ("voice.key", "`netcheck-bot bot` makes keys"),
        ("audit/heads.log", "`netcheck-bot bot` makes the audit's files; `netcheck-bot worker` makes the audit's files"),
        ("redis/appendonlydir/x", "`netcheck-bot bot` makes the Redis; `netcheck-bot worker` makes the Redis"),
    ],
)
def test_what_is_lacking_is_said_by_its_kind(lacks: str, said: str, tmp_path: Path) -> None:
    put(tmp_path, *(name for name in (*OF_ALL, *OF_BOT, *OF_WORKER) if name != lacks))
    (tmp_path / "redis").mkdir(exist_ok=True)
    assert first_start.examine(BotSettings(data_dir=tmp_path)).what == f"{tmp_path}; at the first start {said}"


@pytest.mark.parametrize(("approver", "command"), [("inside", "bot"), ("own-process", "approver")])
def test_where_the_approvers_key_is_its_files_are_said_too(approver: str, command: str, tmp_path: Path) -> None:
    put(tmp_path, *OF_ALL, *OF_BOT, *OF_WORKER, "approver/key")
    said = first_start.examine(BotSettings.model_validate({"data_dir": tmp_path, "approver": approver})).what
    assert said.endswith(f"first start `netcheck-bot {command}` makes keys, the audit's files, the approver's store")


def test_a_folder_in_it_where_nothing_can_be_made_is_named(tmp_path: Path) -> None:
    """Root may write to every folder: here it is none."""
    put(tmp_path, *OF_ALL[:2], "voice.key", "pseudonym.key", "audit")
    seen = first_start.examine(BotSettings(data_dir=tmp_path))
    assert (seen.well, seen.what) == (False, f"{tmp_path}/audit: nothing can be made in it by this user")


def test_who_can_make_nothing_at_all_is_told_the_data_directory() -> None:
    seen = first_start.examine(BotSettings(data_dir=Path("/dev/null/data")))
    assert (seen.well, seen.what) == (False, "/dev/null/data: nothing can be made in it by this user")
