from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from workers.policy.file import BadPolicy, built_in
from workers.policy.watch import PolicyFile

ONE = 'version = 1\n[[rule]]\nname = "one"\nwho = ["members"]\nmay = ["READ"]\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(ONE)
    return path


def names(rules: PolicyFile) -> list[str]:
    rules.look()
    return [rule.name for rule in rules().rules]


def wrong_now() -> float | None:
    return REGISTRY.get_sample_value("netcheck_policy_wrong")


def test_an_edit_holds_from_the_next_look_on(path: Path) -> None:
    rules = PolicyFile(path)
    path.write_text(ONE.replace("one", "two"))
    assert names(rules) == ["two"]


def test_a_file_that_is_put_in_its_place_counts_as_an_edit(path: Path) -> None:
    rules = PolicyFile(path)
    path.with_name("new").write_text(ONE.replace("one", "two"))
    path.unlink()
    path.symlink_to(path.with_name("new"))
    assert names(rules) == ["two"]


@pytest.mark.parametrize("wrong", [ONE.replace("READ", "REED").encode(), b"", b"\xff", None])
def test_while_the_file_is_wrong_the_last_good_policy_is_in_force_and_people_can_know(path: Path, wrong: bytes | None) -> None:
    rules = PolicyFile(path)
    if wrong is None:
        path.unlink()
    else:
        path.write_bytes(wrong)
    with capture_logs() as logged:
        assert names(rules) == names(rules) == ["one"]
    assert [line["event"] for line in logged] == ["policy_wrong"]
    assert str(path) in rules.trouble
    assert wrong_now() == 1
    path.write_text(ONE.replace("one", "three"))
    assert (names(rules), rules.trouble, wrong_now()) == (["three"], "", 0)


def test_a_wrong_file_at_the_start_is_no_policy_at_all(path: Path) -> None:
    path.write_text("version = 2")
    with pytest.raises(BadPolicy):
        PolicyFile(path)


async def test_the_file_is_watched(path: Path) -> None:
    rules = PolicyFile(path)
    watching = asyncio.create_task(rules.watch())
    path.write_text(ONE.replace("one", "two"))  # noqa: ASYNC240  (a few bytes)
    async with asyncio.timeout(20):
        while rules().rules[0].name != "two":  # noqa: ASYNC110  (a file has no event to wait for)
            await asyncio.sleep(0.01)
    watching.cancel()


async def test_without_a_file_there_is_nothing_to_watch() -> None:
    rules = PolicyFile(None)
    await rules.watch()
    assert rules() == built_in()


def test_the_audit_is_told_which_policy_is_in_force_and_of_each_edit(path: Path) -> None:
    rules, told = PolicyFile(path), list[dict[str, str]]()
    rules.tell(lambda said: told.append(dict(said)))
    path.write_text(ONE.replace("READ", "REED"))
    rules.look()
    rules.look()
    path.write_text(ONE)
    rules.look()
    assert [("trouble" in said, said["rules"], said["source"]) for said in told] == [
        (wrong, "1", str(path)) for wrong in (0, 1, 0)
    ]
    assert told[0]["sha256"] == told[2]["sha256"] != told[1]["sha256"]
