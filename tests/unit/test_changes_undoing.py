"""A node puts its setting back by itself: at its time, once, only where it still holds what the change made; and it says so."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from node_helper.changes import arming, undoing
from node_helper.changes import plan as plans
from node_helper.changes.grant import Done
from node_helper.changes.hands import Hands
from node_helper.changes.plan import Setting
from tests.change_node import AFTER, BEFORE, FILE, FolderNode, Watched, killed, make_key, plan_of

LATER = Setting(150000, 65536)
SYSTEMCTL = """#!/bin/sh
echo "$@" >>{calls}
case "$1 $2" in
    "enable --now") mkdir -p {units}/timers.target.wants; ln -s ../$3 {units}/timers.target.wants/$3 ;;
    "disable --now") rm {units}/timers.target.wants/$3 ;;
esac
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "approver")


@pytest.fixture
def node(tmp_path: Path, key: Path) -> Iterator[FolderNode]:
    node = FolderNode.make(tmp_path / "node", key)
    yield node
    for armed in Path(node.paths.state).glob("undo-*"):
        node.hands.disarm(armed.name.removeprefix("undo-"))


@pytest.fixture
def systemd(node: FolderNode) -> Path:
    """As if systemd were PID 1 there; the file has what it was asked."""
    calls, tool = node.root / "calls", node.root / "usr/bin/systemctl"
    Path(node.paths.systemd).mkdir(parents=True)
    Path(node.paths.units).mkdir(parents=True)
    tool.parent.mkdir(parents=True)
    tool.write_text(SYSTEMCTL.format(calls=calls, units=node.paths.units))
    tool.chmod(0o755)
    return calls


def due(node: FolderNode) -> Done:
    """What happens when the time of the oldest armed undo has come."""
    armed = min(Path(node.paths.state).glob("undo-*"), default=None)
    assert armed, node.recent()
    undoing.undo(node.hands, arming.read(str(armed)))
    assert not armed.exists()
    return node.recent()[0]


def test_it_comes_by_itself_without_systemd(node: FolderNode) -> None:
    said = node.apply(plan_of(hold_s=1))
    assert (said.refusal, said.reason) == ("", "")
    assert said.done is not None
    assert said.done.undo_at
    node.wait(lambda: not list(Path(node.paths.state).glob("undo-*")))
    (done,) = node.recent()
    assert (done.state, done.found, done.undo_at) == ("undone", BEFORE, said.done.undo_at)
    assert node.held()[:2] == (BEFORE.value, BEFORE.buckets)


def test_what_waits_needs_neither_the_helper_nor_what_it_inherited(node: FolderNode) -> None:
    node.change(plan_of(hold_s=600))
    (folder,) = Path(node.paths.state).glob("undo-*")
    (pid,) = holders(folder)
    assert os.getsid(pid) != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    links = {fd.readlink() for fd in Path(f"/proc/{pid}/fd").iterdir()}
    assert links == {Path("/dev/null"), folder / "alive"}
    argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    assert argv[1:3] == ["-ISB", str(folder / "undo.pyz")]
    assert not any(path.stat().st_mode & 0o022 for path in [folder, *folder.rglob("*")])


def holders(folder: Path) -> list[int]:
    """The processes whose program is in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder / "undo.pyz") in path.read_text().split("\0"):
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("other", [Setting(199999, 65536), Setting(198000, 16384)])
def test_a_node_that_holds_something_else_by_then_is_left_alone(node: FolderNode, other: Setting) -> None:
    node.change(plan_of(hold_s=600))
    node.hold(other)
    done = due(node)
    assert (done.state, done.found) == ("undo-refused", replace(other, persisted=""))
    assert str(other.value) in done.reason
    assert node.held()[:2] == (other.value, other.buckets)


def test_a_node_that_holds_the_old_setting_already_is_left_alone(node: FolderNode) -> None:
    node.change(plan_of(hold_s=600))
    node.hold(BEFORE)
    assert due(node).state == "undone"


def test_a_change_over_one_that_is_held_stands(node: FolderNode) -> None:
    node.change(plan_of(hold_s=600))
    node.change(plan_of(AFTER, LATER, 2))
    done = due(node)
    assert (done.state, done.found) == ("undo-refused", replace(LATER, persisted=""))
    assert "approval-2" in done.reason


def test_a_change_that_makes_the_held_value_last_stands(node: FolderNode) -> None:
    node.change(plan_of(hold_s=600))
    node.change(plan_of(replace(AFTER, persisted=""), replace(AFTER, persisted=FILE), 2))
    assert due(node).state == "undo-refused"
    assert node.held() == (AFTER.value, AFTER.buckets, FILE)


def test_a_change_in_between_that_was_undone_is_as_if_it_had_not_been(node: FolderNode) -> None:
    node.change(plan_of(hold_s=600))
    node.change(plan_of(AFTER, LATER, 2))
    node.change(plan_of(LATER, AFTER, 3, undoes=f"{2:08x}" * 4))
    assert due(node).state == "undone"
    assert node.held()[0] == BEFORE.value


def test_an_undo_that_was_asked_for_disarms_it(node: FolderNode) -> None:
    plan = plan_of(hold_s=600)
    node.change(plan)
    back = plans.reverse(plan, ("node-a",), approval="undo", nonce="f" * 32, issued=plan.issued, expires=plan.expires)
    said = node.apply(back)
    assert (said.refusal, said.warnings) == ("", ())
    assert not list(Path(node.paths.state).glob("undo-*"))
    assert [(done.state, done.undoes) for done in node.recent()] == [("done", ""), ("done", plan.nonce)]


def test_one_that_was_killed_is_not_said_to_come(node: FolderNode) -> None:
    node.change(plan_of(hold_s=600))
    (folder,) = Path(node.paths.state).glob("undo-*")
    for pid in holders(folder):
        os.kill(pid, signal.SIGKILL)
    node.wait(lambda: node.recent()[0].state == "undo-failed")
    node.change(plan_of(AFTER, BEFORE, 2))
    assert not folder.exists()
    assert [done.state for done in node.recent()] == ["done", "done"]


def test_a_change_that_was_cut_off_in_the_middle_is_put_back_at_its_time_also_after_somebody_asked_what_became_of_it(
    node: FolderNode,
) -> None:
    plan = plan_of(after=Setting(524288, 131072), hold_s=600)
    child = os.fork()
    if child == 0:
        try:
            node.apply(plan, Watched(node, 2, after=killed))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert node.held()[:2] == (BEFORE.value, 131072)
    assert node.apply(plan).refusal == "failed"
    assert due(node).state == "undone"
    assert node.held()[:2] == (BEFORE.value, BEFORE.buckets)


def test_an_undo_that_was_cut_off_is_finished_by_the_next(node: FolderNode) -> None:
    larger = Setting(524288, 131072)
    node.change(plan_of(after=larger, hold_s=600))
    (folder,) = Path(node.paths.state).glob("undo-*")
    (folder / "started").touch()
    node.hold(Setting(BEFORE.value, larger.buckets))
    assert due(node).state == "undone"
    assert node.held()[:2] == (BEFORE.value, BEFORE.buckets)


@pytest.mark.parametrize("when", ["instead", "after"])
@pytest.mark.parametrize("at", range(5))
def test_killed_at_any_step_it_is_finished_by_the_next(node: FolderNode, systemd: Path, at: int, when: str) -> None:
    before, after = replace(BEFORE, persisted=""), Setting(524288, 131072, plans.text(524288, 131072))
    node.change(plan_of(before, after, hold_s=600))
    assert systemd.exists()
    (folder,) = Path(node.paths.state).glob("undo-*")
    armed = arming.read(str(folder))
    child = os.fork()
    if child == 0:
        try:
            undoing.undo(cast("Hands", Watched(node, at, **{when: killed})), armed)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    if folder.exists():
        undoing.undo(node.hands, armed)
    assert node.held() == (BEFORE.value, BEFORE.buckets, "")
    assert [(done.state, done.found) for done in node.recent()] == [("undone", before)]
    assert not folder.exists()


def test_without_conntrack_after_a_restart_the_file_is_put_back(node: FolderNode, systemd: Path) -> None:
    node.change(plan_of(replace(BEFORE, persisted=""), replace(AFTER, persisted=FILE), hold_s=600))
    Path(node.paths.value).unlink()
    done = due(node)
    assert (done.state, done.found) == ("undone", None)
    assert "file was put back" in done.reason
    assert not Path(node.paths.file).exists()
    assert systemd.exists()


def test_a_file_that_should_go_at_its_time_needs_systemd(node: FolderNode) -> None:
    said = node.apply(plan_of(replace(BEFORE, persisted=""), replace(AFTER, persisted=FILE), hold_s=600))
    assert said.refusal == "unsupported"
    assert "systemd" in said.reason
    assert node.held() == (BEFORE.value, BEFORE.buckets, "")


def test_systemd_is_given_a_timer_that_outlives_restarts_and_its_service_puts_it_back(node: FolderNode, systemd: Path) -> None:
    plan = plan_of(replace(BEFORE, persisted=""), replace(AFTER, persisted=FILE), hold_s=600)
    said = node.apply(plan)
    assert said.done is not None
    name = "netcheck-undo-00000001"
    units = Path(node.paths.units)
    timer = (units / f"{name}.timer").read_text()
    at = said.done.undo_at.replace("T", " ").replace("Z", " UTC")
    assert f"OnCalendar={at}\n" in timer
    assert "Persistent=true\n" in timer
    assert systemd.read_text() == f"daemon-reload\nenable --now {name}.timer\n"
    assert [done.state for done in node.recent()] == ["done"]
    service = (units / f"{name}.service").read_text()
    command = next(line.removeprefix("ExecStart=") for line in service.splitlines() if line.startswith("ExecStart="))
    subprocess.run(shlex.split(command), check=True, env={}, cwd="/")
    assert node.held() == (BEFORE.value, BEFORE.buckets, "")
    assert [(done.state, done.found) for done in node.recent()] == [("undone", replace(BEFORE, persisted=""))]
    assert not list(units.rglob("netcheck*"))
    assert systemd.read_text().splitlines()[2:] == [f"disable --now {name}.timer", "daemon-reload"]


def test_where_systemd_does_not_take_the_timer_nothing_is_written(node: FolderNode, systemd: Path) -> None:
    tool = node.root / "usr/bin/systemctl"
    tool.write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    said = node.apply(plan_of(hold_s=600))
    assert said.refusal == "failed"
    assert "no bus" in said.reason
    assert node.held()[0] == BEFORE.value
    assert not systemd.exists()


def test_a_timer_that_somebody_took_away_is_not_said_to_come(node: FolderNode, systemd: Path) -> None:
    node.change(plan_of(hold_s=600))
    assert systemd.exists()
    (Path(node.paths.units) / "timers.target.wants/netcheck-undo-00000001.timer").unlink()
    assert node.recent()[0].state == "undo-failed"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise ValueError('out of order')", "ValueError: out of order"),
        ("", "it ended without a word"),
        ("import time; time.sleep(2)", "it does not say within 0.5 s that it waits"),
    ],
)
def test_why_a_process_does_not_begin_to_wait_is_told(
    node: FolderNode, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    monkeypatch.setattr(arming, "_MAIN", program)
    monkeypatch.setattr(arming, "_START_SECONDS", 20.0 if "time" not in program else 0.5)
    said = node.apply(plan_of(hold_s=600))
    assert (said.refusal, said.done and said.done.state) == ("failed", "failed")
    assert f"did not start: {why};" in said.reason
    assert node.held() == (BEFORE.value, BEFORE.buckets, "")


def test_what_a_loader_says_before_it_is_no_failure(node: FolderNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arming, "_MAIN", "import os\nos.write(2, b'ERROR: ld.so: cannot be preloaded')\n" + arming._MAIN)
    node.change(plan_of(hold_s=600))
    assert list(Path(node.paths.state).glob("undo-*"))
