"""A change for a time where systemd is PID 1: its timer puts value and file back, also when the node was off at that time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.lab import approver
from deploy.lab.plan import CLUSTER
from node_helper.changes import plan as plans
from node_helper.changes.deeds import apply
from node_helper.changes.grant import Done
from node_helper.changes.paths import Paths
from node_helper.changes.plan import Plan, Setting, Target
from node_helper.facts import change_state
from tests.kernel.systemd_node import SystemdNode, systemd_node
from workers.changes import signing

pytestmark = pytest.mark.live

PATHS = Paths()
BEFORE = Setting(262144, 65536, "")
AFTER = Setting(198000, 65536, plans.text(198000, None))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdNode]:
    with systemd_node(tmp_path_factory.mktemp("systemd"), BEFORE.value, BEFORE.buckets) as one:
        yield one


def wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.2)


def held_for(node: SystemdNode, seconds: int, number: int) -> str:
    """Have the node changed for a time; the name of its units."""
    with node.helper() as helper:
        state = helper.ask(change_state.FACT, change_state.Query())
        assert state.systemd
        now, nonce = int(state.now), f"{number:08x}" * 4
        target = Target(state.node, state.machine_id, BEFORE, AFTER)
        plan = Plan(1, CLUSTER, plans.KEYS[0], f"a-{number}", nonce, now, now + 600, seconds, "", (target,))
        said = helper.ask(apply.DEED, signing.sign(plan, approver.key(node.folder)))
        assert (said.refusal, said.reason) == ("", "")
        assert said.done is not None
        assert said.done.found == AFTER
    name = f"netcheck-undo-{nonce[:8]}"
    assert node.run("systemctl", "is-enabled", f"{name}.timer") == "enabled\n"
    return name


def last(node: SystemdNode) -> Done:
    with node.helper() as helper:
        return helper.ask(change_state.FACT, change_state.Query()).recent[-1]


def is_as_it_was(node: SystemdNode, name: str) -> None:
    done = last(node)
    assert (done.state, done.found, done.reason) == ("undone", BEFORE, "")
    assert node.run("cat", PATHS.value, PATHS.buckets) == f"{BEFORE.value}\n{BEFORE.buckets}\n"
    assert (
        node.run("sh", "-c", f"ls {PATHS.file}; ls -d {PATHS.state}/undo-*; find /etc/systemd /var/lib/systemd -name '{name}*'")
        == ""
    )


def test_its_timer_puts_it_back(node: SystemdNode) -> None:
    name = held_for(node, 3, 1)
    wait(lambda: last(node).state == "undone")
    wait(lambda: node.run("systemctl", "is-active", f"{name}.service") == "inactive\n")
    is_as_it_was(node, name)


def test_a_node_that_was_off_at_that_time_puts_it_back_when_it_is_on_again(node: SystemdNode) -> None:
    name = held_for(node, 3, 2)
    node.off()
    time.sleep(4)
    assert Path(node.node.path(PATHS.file)).read_text() == AFTER.persisted
    node.on()
    wait(lambda: last(node).state == "undone")
    wait(lambda: node.run("systemctl", "is-active", f"{name}.service") == "inactive\n")
    is_as_it_was(node, name)
