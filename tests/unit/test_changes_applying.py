"""What a change does to a node: in order, whole or put back, told truly wherever it is cut off."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node_helper.changes import apart, held
from node_helper.changes import hands as hands_module
from node_helper.changes import plan as plans
from node_helper.changes.applying import apply
from node_helper.changes.plan import Plan, Setting
from node_helper.protocol import CannotLook
from node_helper.stop import Stop
from tests.change_node import AFTER, BEFORE, FILE, FolderNode, Watched, broken, killed, make_key, plan_of

LARGER = Setting(524288, 131072)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "approver")


@pytest.fixture
def node(tmp_path: Path, key: Path) -> Iterator[FolderNode]:
    node = FolderNode.make(tmp_path / "node", key)
    yield node
    for armed in Path(node.paths.state).glob("undo-*"):
        node.hands.disarm(armed.name.removeprefix("undo-"))


def lasting() -> Plan:
    """A change that outlives reboots, agreed to just now."""
    return plan_of(replace(BEFORE, persisted=""), replace(AFTER, persisted=FILE))


def words(watched: Watched) -> list[str]:
    return [name if name != "record" else argument.done.state for name, argument in watched.done]


def test_the_intent_is_written_down_first_and_the_undo_armed_before_anything_is_written(node: FolderNode) -> None:
    watched = Watched(node)
    assert node.apply(plan_of(after=LARGER, hold_s=600), watched).refusal == ""
    assert words(watched) == ["intent", "arm", "write_buckets", "write_value", "done"]


def test_lists_grow_before_the_limit_and_shrink_after_it(node: FolderNode) -> None:
    node.change(plan_of(after=LARGER))
    watched = Watched(node)
    node.apply(plan_of(LARGER, BEFORE, 2), watched)
    assert words(watched) == ["intent", "write_value", "write_buckets", "done"]
    watched = Watched(node)
    node.apply(plan_of(number=3), watched)
    assert words(watched) == ["intent", "write_value", "done"]


def test_the_file_is_made_as_the_node_needs_it_and_taken_away_by_the_reverse(node: FolderNode) -> None:
    plan = lasting()
    said = node.apply(plan)
    assert said.done is not None
    assert said.done.found == replace(AFTER, persisted=FILE)
    file = Path(node.paths.file)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (FILE, 0o644)
    back = plans.reverse(plan, ("node-a",), approval="undo", nonce="f" * 32, issued=plan.issued, expires=plan.expires)
    assert node.apply(back).refusal == ""
    assert not list(file.parent.iterdir())
    assert node.held() == (BEFORE.value, BEFORE.buckets, "")


def test_what_is_not_ours_is_never_replaced(node: FolderNode, tmp_path: Path) -> None:
    file = Path(node.paths.file)
    file.write_text("net.netfilter.nf_conntrack_max = 5\n")
    assert node.apply(lasting()).refusal == "changed"
    file.chmod(0o600)
    assert node.apply(lasting()).refusal == "unsupported"
    file.unlink()
    (tmp_path / "elsewhere").write_text("")
    file.symlink_to(tmp_path / "elsewhere")
    assert node.apply(lasting()).refusal == "unsupported"
    assert (tmp_path / "elsewhere").read_text() == ""
    assert node.held()[0] == BEFORE.value
    assert node.recent() == ()


def test_files_that_win_over_ours_are_named(node: FolderNode) -> None:
    folder = Path(node.paths.file).parent
    (folder / "99-tuning.conf").write_text("# tuned\nnet/netfilter/nf_conntrack_max=1000\n")
    (folder / "10-first.conf").write_text("net.netfilter.nf_conntrack_max=7\n")
    (warning,) = node.apply(lasting()).warnings
    assert warning.startswith("/etc/sysctl.d/99-tuning.conf:2 sets net.netfilter.nf_conntrack_max to 1000")
    assert node.apply(plan_of(replace(AFTER), BEFORE, 2)).warnings == ()


@pytest.mark.parametrize("at", range(1, 4))
def test_a_step_that_fails_has_the_others_put_back(node: FolderNode, at: int) -> None:
    plan = plan_of(replace(BEFORE, persisted=""), replace(LARGER, persisted=plans.text(LARGER.value, LARGER.buckets)))
    said = node.apply(plan, Watched(node, at, broken))
    assert said.refusal == "failed"
    assert said.done is not None
    assert (said.done.state, said.done.found) == ("failed", replace(BEFORE, persisted=""))
    assert "Input/output error; the node holds its old setting" in said.reason
    assert node.held() == (BEFORE.value, BEFORE.buckets, "")
    assert [done.state for done in node.recent()] == ["failed"]
    assert apply(node.grant(plan), node.hands).again


def test_a_kernel_that_takes_another_value_is_put_back(node: FolderNode) -> None:
    said = node.apply(plan_of(), Watched(node, 1, after=lambda: node.hold(Setting(199999, 65536))))
    assert said.refusal == "failed"
    assert "read back, the node holds 199999" in said.reason
    assert node.held()[0] == BEFORE.value


def test_what_could_not_be_put_back_is_said(node: FolderNode) -> None:
    class Stuck(Watched):
        def __getattr__(self, name: str) -> Any:
            return broken_step if name == "write_value" else super().__getattr__(name)

    def broken_step(_number: int) -> None:
        broken()

    said = node.apply(plan_of(after=LARGER), Stuck(node))
    assert said.refusal == "failed"
    assert "could not be put back" in said.reason
    assert [done.state for done in node.recent()] == ["failed"]


def test_a_journal_that_cannot_be_written_lets_nothing_happen(node: FolderNode) -> None:
    said = node.apply(plan_of(), Watched(node, 0, broken))
    assert (said.refusal, said.done) == ("failed", None)
    assert "nothing was written" in said.reason
    said = node.apply(plan_of(), Watched(node, 2, broken))  # "done" cannot be said: so it is not done
    assert said.refusal == "failed"
    assert node.held()[0] == BEFORE.value


def test_lists_that_the_kernel_would_round_are_refused(node: FolderNode) -> None:
    said = node.apply(plan_of(after=Setting(198000, 65537)))
    assert said.refusal == "unsupported"
    assert str(held.bucket_multiple()) in said.reason


def test_a_node_whose_limits_cannot_be_written_says_so(node: FolderNode) -> None:
    Path(node.paths.value).chmod(0o444)
    said = node.apply(plan_of())
    assert said.refusal == "unsupported"
    assert "first network namespace" in said.reason
    Path(node.paths.value).unlink()
    assert node.apply(plan_of()).refusal == "unsupported"


def test_two_at_once_are_one_after_the_other(node: FolderNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node_helper.changes.applying.LOCK_SECONDS", 0.05)
    with node.hands.locked(1):
        assert hands_module.busy(node.paths)
        said = node.apply(plan_of())
    assert said.refusal == "failed"
    assert "another change" in said.reason
    assert not hands_module.busy(node.paths)
    assert node.apply(plan_of()).refusal == ""


def test_a_line_that_was_cut_off_is_not_a_record_and_a_damaged_one_stops_all(node: FolderNode) -> None:
    node.change(plan_of())
    journal = Path(node.paths.state) / "journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"digest": "cut')
    assert [done.state for done in node.recent()] == ["done"]
    node.change(plan_of(AFTER, BEFORE, 2))
    assert journal.read_bytes().startswith(whole)
    assert [done.state for done in node.recent()] == ["done", "done"]
    journal.write_bytes(b"nonsense\n" + journal.read_bytes())
    assert node.apply(plan_of(number=3)).refusal == "unsupported"


def test_it_comes_to_its_end_when_the_helper_was_killed_in_the_middle(node: FolderNode) -> None:
    grant = node.grant(plan_of())
    going, gate = node.root / "going", node.root / "gate"

    def wait_at_the_gate() -> None:
        going.touch()
        node.wait(gate.exists)

    def work() -> bytes:
        apply(grant, Watched(node, 1, wait_at_the_gate))  # type: ignore[arg-type]  # as good as hands
        return b"nobody hears it"

    helper = os.fork()
    if helper == 0:
        try:
            apart.run(work, Stop(60))
        finally:
            os._exit(0)
    node.wait(going.exists)
    os.kill(helper, signal.SIGKILL)
    os.waitpid(helper, 0)
    gate.touch()
    node.wait(lambda: [done.state for done in node.recent()] == ["done"])
    assert node.held()[0] == AFTER.value


def test_who_does_not_wait_any_more_is_let_go_and_the_work_goes_on(tmp_path: Path) -> None:
    def work() -> bytes:
        time.sleep(0.2)
        (tmp_path / "done").touch()
        return b""

    with pytest.raises(CannotLook):
        apart.run(work, Stop(0.01))
    until = time.monotonic() + 20
    while not (tmp_path / "done").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_work_is_heard_where_nobody_is_told_how_processes_end() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert apart.run(lambda: b"done", Stop(20)) == b"done"
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("when", ["instead", "after"])
@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("way", ["for a time", "lasting"])
def test_killed_at_any_step_the_next_one_tells_what_is_so(node: FolderNode, way: str, at: int, when: str) -> None:
    """And never writes it a second time; at a last step that is not there, nobody is killed."""
    lasting = plan_of(replace(BEFORE, persisted=""), replace(LARGER, persisted=plans.text(LARGER.value, LARGER.buckets)))
    plan = plan_of(after=LARGER, hold_s=600) if way == "for a time" else lasting
    grant = node.grant(plan)
    child = os.fork()
    if child == 0:
        try:
            apply(grant, Watched(node, at, **{when: killed}))  # type: ignore[arg-type]  # as good as hands
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    told = [done.state for done in node.recent()]
    seen = node.hands.held()
    watched = Watched(node)
    said = apply(grant, watched)  # type: ignore[arg-type]
    if not told:
        assert (at, when) == (0, "instead")
        assert said.refusal == ""
        return
    assert said.again
    assert not [name for name in words(watched) if name in ("write_value", "write_buckets", "put_file", "arm")]
    assert node.hands.held() == seen
    assert said.done is not None
    assert said.done.found == seen.setting(plan.targets[0].after)
    assert [said.done.state] == told == [done.state for done in node.recent()]
    assert (said.done.state == "done") == seen.is_(plan.targets[0].after)
    assert apply(grant, node.hands) == said
