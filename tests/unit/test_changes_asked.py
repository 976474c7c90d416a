"""A deed on the wire, and what a node tells a planner: refused where nothing may be changed, looked up where it may."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node_helper import known, wire
from node_helper.changes import deeds, witness
from node_helper.changes.deed import Deed
from node_helper.changes.deeds.apply import DEED
from node_helper.changes.grant import Applied, Done, Grant
from node_helper.changes.plan import Setting
from node_helper.changes.standing import standing
from node_helper.doing import carry_out
from node_helper.facts import change_state
from node_helper.protocol import CannotLook
from node_helper.stop import Stop
from tests.change_node import BEFORE, CLUSTER, NODE, FolderNode, make_key, plan_of
from tests.pretend_kernel import PretendKernel

ASKED = wire.Asked(1, "apply", DEED.schema, 20.0, query={"plan": "{}", "signature": ""})
CPUS = "/sys/devices/system/cpu"


class Heard:
    def __init__(self) -> None:
        self.line: Any = None

    def send(self, line: bytes) -> None:
        raise AssertionError(line)

    def finish(self, line: bytes, outcome: str = "answered") -> None:
        assert self.line is None
        assert outcome
        self.line = json.loads(line)


def said(deed: Deed[Any, Any], asked: wire.Asked = ASKED, why_not: str = "") -> Any:
    heard = Heard()
    carry_out(deed, asked, lambda: why_not, Stop(20), heard)
    return heard.line


def do(answer: Applied | Exception) -> Deed[Grant, Applied]:
    def done(grant: Grant, stop: Stop) -> Applied:
        assert grant == Grant("{}", "")
        assert stop.left > 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    return replace(DEED, do=done)


def test_a_deed_is_answered() -> None:
    assert said(do(Applied("malformed", "no plan")))["answer"]["reason"] == "no plan"


def test_where_nothing_may_be_changed_no_deed_is_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, line: lines.append(line))
    answer = said(do(AssertionError()), why_not="installed to look")["answer"]
    assert (answer["refusal"], answer["reason"], answer["done"]) == ("not-offered", "installed to look", None)
    assert lines == ['event=change refusal=not-offered reason="installed to look"']


def test_the_nodes_own_log_has_a_line_for_each_grant_whatever_the_grant_says(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, line: lines.append(line))
    target = plan_of().targets[0]
    witness.tell(Applied(done=Done("0" * 32, "a-1", "done", target.before, target.after, "2026-01-01T00:00:00Z")))
    witness.tell(Applied("bad-signature", "no\nevent=change state=done\x1b[31m" + "x" * 5000))
    assert lines[0] == f"event=change approval=a-1 nonce={'0' * 32} state=done old=262144 new=198000"
    assert lines[1].startswith("event=change refusal=bad-signature reason=")
    assert lines[1].isprintable()
    assert len(lines[1]) < 500


@pytest.mark.parametrize(
    ("deed", "asked", "kind"),
    [
        (do(CannotLook("cancelled", kind="cancelled")), ASKED, "cancelled"),
        (do(ZeroDivisionError("oh")), ASKED, "bug"),
        (DEED, replace(ASKED, query={"plan": 5}), "malformed"),
        (DEED, replace(ASKED, again_after=1.0), "malformed"),
    ],
)
def test_whatever_goes_wrong_is_the_last_line(deed: Deed[Any, Any], asked: wire.Asked, kind: str) -> None:
    assert said(deed, asked)["cannot"]["kind"] == kind


@pytest.mark.parametrize("forks", [0, 1])
def test_a_node_that_can_start_no_process_says_so(monkeypatch: pytest.MonkeyPatch, forks: int) -> None:
    """The first one that is needed, or the one that it starts."""
    fork, left = os.fork, [True] * forks

    def limited() -> int:
        if left:
            left.pop()
            return fork()
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("os.fork", limited)
    answer = said(DEED)["answer"]
    assert answer["refusal"] == "failed"
    assert answer["reason"].startswith("nothing was written: this node can start no process for it: [Errno 11] ")


def test_the_helper_knows_its_deeds_by_a_list_that_is_written_out() -> None:
    assert deeds.NAMES == ("apply",)
    assert known.everything()["apply"] is DEED
    assert known.ours().schemas["apply"] == DEED.schema


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> FolderNode:
    return FolderNode.make(tmp_path_factory.mktemp("node") / "root", make_key(tmp_path_factory.mktemp("keys") / "approver"))


def state(node: FolderNode, files: dict[str, str]) -> change_state.ChangeState:
    kernel = PretendKernel(files=files, stands=standing(node.paths, is_installed=True))
    return change_state.collect(kernel, change_state.Query())


def test_a_node_tells_what_a_plan_needs(node: FolderNode) -> None:
    seen = state(
        node,
        {
            "/proc/sys/net/netfilter/nf_conntrack_count": "77\n",
            "/proc/meminfo": "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:    1024 kB\n",
            "/sys/kernel/slab/nf_conntrack/object_size": "248\n",
            "/sys/kernel/slab/nf_conntrack/slab_size": "256\n",
            f"{CPUS}/online": "0-2,5\n",
            f"{CPUS}/possible": "0-7\n",
        },
    )
    assert (seen.offered, seen.why_not, seen.cluster, seen.node) == (True, "", CLUSTER, NODE)
    assert seen.setting == replace(BEFORE, persisted="")
    assert (seen.count, seen.entry_bytes, seen.memory_total, seen.memory_available) == (77, 256, 2048 * 1024, 1024 * 1024)
    assert (seen.cpus_online, seen.cpus_possible, seen.recent, seen.lost) == (4, 8, (), "")


def test_an_older_kernel_tells_the_size_of_an_entry_in_slabinfo(node: FolderNode) -> None:
    slabs = "slabinfo - version: 2.1\nnf_conntrack_expect 0 0 208 19 1\nnf_conntrack_ffff8e0 100 120 320 25 2 : tunables\n"
    assert state(node, {"/proc/slabinfo": slabs}).entry_bytes == 320
    assert state(node, {"/sys/kernel/slab/nf_conntrack/object_size": "248\n"}).entry_bytes == 248


def test_what_a_kernel_does_not_tell_is_not_known(node: FolderNode) -> None:
    seen = state(node, {f"{CPUS}/online": "many\n", "/proc/sys/net/netfilter/nf_conntrack_count": "?\n"})
    assert (seen.count, seen.entry_bytes, seen.memory_total, seen.cpus_online, seen.cpus_possible) == (None,) * 5


def test_what_stands_in_the_place_of_our_file_is_told(node: FolderNode) -> None:
    file = Path(node.paths.file)
    file.write_text("vm.swappiness = 1\n")
    seen = state(node, {})
    file.unlink()
    assert seen.setting == BEFORE
    assert "what we do not write" in seen.file_problem


def test_a_node_without_conntrack_says_so(node: FolderNode) -> None:
    value = Path(node.paths.value)
    value.rename(value.with_suffix(".away"))
    seen = state(node, {})
    value.with_suffix(".away").rename(value)
    assert seen.setting is None
    assert "not in use" in seen.unreadable
    assert seen.unwritable


def test_a_setting_speaks_of_the_file_or_does_not() -> None:
    with pytest.raises(ValueError, match="no text that we write"):
        Setting(1, 1, "vm.swappiness = 1\n")
