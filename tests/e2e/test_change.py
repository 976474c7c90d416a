"""A change through Slack's own protocol: asked for, approved by another person, in a node's kernel, and taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.guest.join import joined
from deploy.lab.guest.node import GuestNode
from deploy.lab.lab import Lab
from tests.e2e.office import Office, buttons, eventually, read

NAME = "node-asked"
MAXIMUM = "net.netfilter.nf_conntrack_max"
POLICY = """
version = 1
[[rule]]
name = "members may ask for changes"
who = ["members"]
may = ["READ", "REVEAL", "PROBE", "CHANGE"]
[[approval]]
name = "somebody else agrees"
change = "set"
[[approval.stage]]
approvers = ["{bob}", "{carol}"]
"""


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[GuestNode]:
    with joined(lab, NAME) as own:
        yield own


@pytest.fixture(scope="module")
def more_settings(lab: Lab, node: GuestNode, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The node has joined before bot and worker look."""
    assert holds(node)
    people = lab.slack.workspace
    policy = tmp_path_factory.mktemp("policy") / "policy.toml"
    policy.write_text(POLICY.format(bob=people.bob, carol=people.carol))
    return {"NETCHECK_POLICY_FILE": str(Path(policy)), "NETCHECK_WATCH_SECONDS": "1", "NETCHECK_ANSWER_SECONDS": "20"}


def holds(node: GuestNode) -> int:
    return int(node.run(["sysctl", "-n", MAXIMUM]).stdout)


def card(office: Office, value: int) -> dict[str, Any]:
    """The card of a change that waits to be approved."""
    office.slack.command(f"set conntrack_max {value} on {NAME}", user=office.slack.workspace.alice)
    return eventually(lambda: _with_button(office, "Approve"), office.read)


def clicks(office: Office, label: str, user: str) -> None:
    """Somebody clicks, and submits what opens."""
    message = eventually(lambda: _with_button(office, label), office.read)
    before = len(office.slack.calls("views.open"))
    office.slack.click(message, buttons(message)[label], user=user)
    eventually(lambda: len(office.slack.calls("views.open")) > before, office.read)
    assert office.slack.submit({"reason": "as agreed"} if label != "Approve" else None, user=user) == {}


def _with_button(office: Office, label: str) -> dict[str, Any] | None:
    return next((m for m in reversed(office.said()) if any(b.startswith(label) for b in buttons(m))), None)


def test_asked_for_approved_by_another_written_and_taken_back(office: Office, node: GuestNode) -> None:
    first, them = holds(node), office.slack.workspace
    shown = read(card(office, first + 4096))
    assert f"{first + 4096:,}" in shown
    clicks(office, "Approve", them.alice)
    assert holds(node) == first
    clicks(office, "Approve", them.bob)
    office.sees(f"conntrack_max is {first + 4096:,} on {NAME}")
    assert holds(node) == first + 4096
    clicks(office, "Undo", them.alice)
    office.sees(f"conntrack_max is {first:,} on {NAME}")
    assert holds(node) == first


def test_rejected_it_is_left_alone(office: Office, node: GuestNode) -> None:
    first = holds(node)
    card(office, first + 1000)
    clicks(office, "Reject", office.slack.workspace.carol)
    office.sees("ejected")
    assert holds(node) == first
