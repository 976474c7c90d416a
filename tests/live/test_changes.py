"""Changes of a node with a kernel of its own, by grants over SSH: what is written is really there, and really goes again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.lab import approver, packages, sshd
from deploy.lab.guest.join import joined
from deploy.lab.guest.node import GuestNode
from deploy.lab.lab import Lab
from deploy.lab.plan import CLUSTER
from node_helper.changes import plan as plans
from node_helper.changes.deeds import apply
from node_helper.changes.grant import Applied
from node_helper.changes.paths import Paths
from node_helper.changes.plan import Plan, Setting, Target
from node_helper.facts import change_state
from node_helper.facts.change_state import ChangeState
from tests.change_node import make_key
from tests.node_helper_asked import Asked, speaking
from workers.changes import signing

pytestmark = pytest.mark.live

NAME = "node-changed"
PATHS = Paths()
MAXIMUM, BUCKETS = "net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets"


@contextmanager
def helper(lab: Lab, node: str) -> Iterator[Asked]:
    """The node's helper, by its forced command."""
    with speaking(packages.prepare(print).argv(["ssh", "-F", str(lab.ssh_config), node, "ignored"])) as one:
        yield one


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[GuestNode]:
    with joined(lab, NAME) as own:
        yield own


@pytest.fixture
def asked(lab: Lab, node: GuestNode) -> Iterator[Asked]:
    with helper(lab, node.name) as one:
        yield one


class Planner:
    """Plans a change from what the node said of itself, and asks for it with the lab's approver's signature."""

    numbers = iter(range(1, 1000))

    def __init__(self, lab: Lab, asked: Asked) -> None:
        self.lab, self.asked = lab, asked

    def state(self) -> ChangeState:
        return self.asked.ask(change_state.FACT, change_state.Query())

    def plan(self, value: int, *, buckets: int | None = None, lasting: bool = False, **other: Any) -> Plan:
        state = self.state()
        assert state.setting is not None
        before = state.setting if lasting else replace(state.setting, persisted=None)
        after = Setting(value, buckets or before.buckets, plans.text(value, buckets) if lasting else None)
        number = next(self.numbers)
        plain = Plan(
            version=1,
            cluster=state.cluster,
            key=MAXIMUM,
            approval=f"a-{number}",
            nonce=f"{number:08x}" * 4,
            issued=int(state.now),
            expires=int(state.now) + 600,
            hold_s=0,
            undoes="",
            targets=(Target(state.node, state.machine_id, before, after),),
        )
        return replace(plain, **other)

    def apply(self, plan: Plan, key: Path | None = None) -> Applied:
        return self.asked.ask(apply.DEED, signing.sign(plan, key or approver.key(self.lab.folder)))


@pytest.fixture
def planner(lab: Lab, asked: Asked) -> Planner:
    return Planner(lab, asked)


def holds(node: GuestNode) -> tuple[int, int]:
    return tuple(int(word) for word in node.run(["sysctl", "-n", MAXIMUM, BUCKETS]).stdout.split())  # type: ignore[return-value]


def wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_node_tells_all_that_a_plan_shows_of_it(node: GuestNode, planner: Planner) -> None:
    state = planner.state()
    assert planner.asked.hello["changes"] is True
    assert (state.offered, state.why_not, state.cluster, state.node) == (True, "", CLUSTER, NAME)
    assert state.machine_id == node.run(["cat", "/etc/machine-id"]).stdout.strip() == planner.asked.hello["machine_id"]
    assert state.setting == Setting(*holds(node), "")
    assert (state.unwritable, state.file_problem, state.lost, state.systemd, state.recent) == ("", "", "", False, ())
    assert abs(state.now - float(node.run(["date", "+%s"]).stdout)) < 60
    assert state.cpus_online == state.cpus_possible == 1
    assert state.memory_total is not None
    assert state.memory_available is not None
    assert 0 < state.memory_available < state.memory_total < 1 << 30
    assert state.entry_bytes is not None
    assert 200 <= state.entry_bytes <= 600
    assert (state.bucket_bytes, state.bucket_multiple) == (8, 512)
    assert state.count is not None


def test_a_change_is_in_the_kernel_and_in_the_file_and_its_reverse_takes_both_back(node: GuestNode, planner: Planner) -> None:
    first = holds(node)
    plan = planner.plan(first[0] + 5000, buckets=first[1] * 2, lasting=True)
    said = planner.apply(plan)
    assert (said.refusal, said.reason) == ("", "")
    assert said.done is not None
    assert said.done.found == plan.targets[0].after
    assert holds(node) == (first[0] + 5000, first[1] * 2)
    assert node.run(["stat", "-c", "%U %a", PATHS.file]).stdout == "root 644\n"
    node.sysctl({MAXIMUM: first[0], BUCKETS: first[1]})
    node.run(["sysctl", "-q", "--load", PATHS.file])
    assert holds(node) == (first[0] + 5000, first[1] * 2)
    assert planner.apply(plan) == replace(said, again=True, warnings=())
    back = plans.reverse(plan, (NAME,), approval="back", nonce="f" * 32, issued=plan.issued, expires=plan.expires)
    assert planner.apply(back).refusal == ""
    assert holds(node) == first
    assert not node.path(PATHS.file).exists()
    assert [done.state for done in planner.state().recent[-2:]] == ["done", "done"]


def test_what_is_held_for_a_time_goes_with_everybody_gone(lab: Lab, node: GuestNode) -> None:
    first = holds(node)
    with helper(lab, node.name) as one:
        planner = Planner(lab, one)
        said = planner.apply(planner.plan(first[0] + 100, hold_s=4))
        assert said.done is not None, said
        assert said.done.undo_at
        node.run(["pkill", "-KILL", "-f", "[n]ode-helper serve"])
        sshd.stop(node)
    assert holds(node)[0] in (first[0], first[0] + 100)
    wait(lambda: holds(node) == first)
    sshd.start(node)
    with helper(lab, node.name) as one:
        done = Planner(lab, one).state().recent[-1]
        assert (done.state, done.approval, done.found) == ("undone", said.done.approval, Setting(*first))
        assert one.hello["journal"][-1] == f"{done.nonce}:undone"
    wait(lambda: not node.run(["sh", "-c", f"ls -d {PATHS.state}/undo-*"], check=False).stdout)


def test_grants_that_were_not_made_for_this_node_and_this_hour_change_nothing(
    node: GuestNode, planner: Planner, tmp_path: Path
) -> None:
    first = holds(node)
    plan = planner.plan(first[0] + 1)
    target = plan.targets[0]
    cases = {
        "wrong-cluster": replace(plan, cluster="prod"),
        "wrong-node": replace(plan, targets=(replace(target, machine_id="0" * 32),)),
        "expired": replace(plan, issued=plan.issued - 900, expires=plan.issued - 800),
        "clock": replace(plan, issued=plan.issued + 300),
        "changed": replace(plan, targets=(replace(target, before=Setting(first[0] - 1, first[1])),)),
    }
    for code, other in cases.items():
        assert planner.apply(other).refusal == code
    assert planner.apply(plan, make_key(tmp_path / "stranger")).refusal == "bad-signature"
    grant = signing.sign(plan, approver.key(planner.lab.folder))
    altered = replace(grant, plan=grant.plan.replace(str(first[0] + 1), str(first[0] + 2)))
    assert planner.asked.ask(apply.DEED, altered).refusal == "bad-signature"
    used = planner.state().recent[-1].nonce
    assert planner.apply(replace(plan, nonce=used)).refusal == "used"
    assert holds(node) == first


def test_keys_are_rotated_on_the_node(lab: Lab, node: GuestNode, planner: Planner, tmp_path: Path) -> None:
    old, new = approver.key(lab.folder), make_key(tmp_path / "new")
    lines = {key: signing.allowed(key.with_suffix(".pub").read_text()) for key in (old, new)}
    late = signing.allowed(new.with_suffix(".pub").read_text(), 'valid-before="20200101"')
    first = holds(node)
    plan = planner.plan(first[0] + 1)
    try:
        for text, key in ((lines[new], old), (lines[old] + late, new)):
            node.write(PATHS.signers, text)
            assert planner.apply(plan, key).refusal == "bad-signature"
        node.write(PATHS.signers, lines[old] + lines[new])
        assert planner.apply(plan, new).refusal == ""
        back = plans.reverse(plan, (NAME,), approval="back", nonce="d" * 32, issued=plan.issued, expires=plan.expires)
        assert planner.apply(back, old).refusal == ""
    finally:
        node.write(PATHS.signers, lines[old])
    assert holds(node) == first


def test_without_systemd_a_file_for_a_time_is_refused(node: GuestNode, planner: Planner) -> None:
    said = planner.apply(planner.plan(holds(node)[0] + 1, lasting=True, hold_s=60))
    assert said.refusal == "unsupported"
    assert "systemd" in said.reason


def test_where_the_limits_are_the_machines_the_node_says_so(lab: Lab) -> None:
    with helper(lab, lab.plans[0].name) as one:
        planner = Planner(lab, one)
        state = planner.state()
        assert one.hello["changes"] is True
        assert "cannot be written here" in state.unwritable
        assert state.setting is not None
        said = planner.apply(planner.plan(state.setting.value + 1))
        assert said.refusal == "unsupported"
        assert "cannot be written here" in said.reason


def test_a_helper_that_may_only_look_changes_nothing(lab: Lab, node: GuestNode) -> None:
    with helper(lab, node.name) as one:
        plan = Planner(lab, one).plan(holds(node)[0] + 1)
    grant = signing.sign(plan, approver.key(lab.folder))
    identity = node.path(PATHS.identity)
    text = identity.read_text()
    identity.unlink()
    try:
        with helper(lab, node.name) as one:
            assert one.hello["changes"] is False
            said = one.ask(apply.DEED, grant)
            assert (said.refusal, said.done) == ("not-offered", None)
            assert "looked at only" in said.reason
            state = one.ask(change_state.FACT, change_state.Query())
            assert (state.offered, state.why_not) == (False, said.reason)
    finally:
        node.write(PATHS.identity, text)


def test_a_pushed_helper_changes_nothing(lab: Lab, node: GuestNode) -> None:
    with helper(lab, node.name) as one:
        plan = Planner(lab, one).plan(holds(node)[0] + 1)
    asked = {"id": 1, "ask": "apply", "schema": apply.DEED.schema, "seconds": 20.0}
    grant = signing.sign(plan, approver.key(lab.folder))
    line = json.dumps({**asked, "query": {"plan": grant.plan, "signature": grant.signature}})
    launcher = f"{Path('/usr/local/lib/netcheck/node-helper')} serve --pushed"
    before = holds(node)
    said = node.run(["sh", "-c", f"(cat; sleep 2) | {launcher}"], stdin=f"{line}\n").stdout.splitlines()
    assert json.loads(said[0])["hello"]["changes"] is False
    assert json.loads(said[1])["answer"]["refusal"] == "not-offered"
    assert holds(node) == before
