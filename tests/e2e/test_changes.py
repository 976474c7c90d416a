"""A change through Slack's own protocol, to a kernel and back: who asks, who agrees, what is written, what stops it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from deploy.lab.guest.join import NAME, joined
from deploy.lab.guest.node import GuestNode
from deploy.lab.lab import Lab
from deploy.lab.roles import Role
from tests.e2e.conftest import Starting
from tests.e2e.office import Office, Said, buttons, eventually, jobs_of, read

MAXIMUM = "net.netfilter.nf_conntrack_max"
BOB, CAROL = "U0BOB", "U0CAROL"
POLICY = f"""
version = 1

[[rule]]
name = "people of the platform"
who = ["members"]
may = ["READ", "REVEAL", "PROBE", "CHANGE"]

[[approval]]
name = "conntrack_max"
change = "set"
needed = 1
expires = "1h"
break_glass = {{ who = ["{CAROL}"] }}

[[approval.stage]]
approvers = ["{BOB}"]
"""


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[GuestNode]:
    """Before bot and worker, who read the lab's SSH configuration when they start."""
    with joined(lab) as own:
        yield own


@pytest.fixture(scope="module")
def more_settings(node: GuestNode, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    del node  # it is there first
    file = tmp_path_factory.mktemp("policy") / "policy.toml"
    file.write_text(POLICY)
    return {"NETCHECK_POLICY_FILE": str(file), "NETCHECK_WATCH_SECONDS": "1", "NETCHECK_ANSWER_SECONDS": "30"}


def held(node: GuestNode) -> int:
    """What sysctl(8) says that the node's kernel holds."""
    return int(node.run(["sysctl", "-n", MAXIMUM]).stdout)


def asked(office: Office, value: int, words: str = "", user: str = "") -> Said:
    """The card of a change that somebody asked for."""
    text = f"set conntrack_max {value} on {NAME}{words}"
    office.slack.command(text, user=user)

    def waiting() -> Said | None:
        return next((m for m in office.said() if text in read(m) and "waiting for" in read(m)), None)

    return eventually(waiting, office.read)


def card(office: Office, it: Said, part: str) -> Said:
    """The card, as soon as it says so."""
    return eventually(lambda: next((m for m in office.said() if m["ts"] == it["ts"] and part in read(m)), None), office.read)


def decides(office: Office, it: Said, label: str, user: str, reason: str = "") -> None:
    """Somebody clicks, and answers the modal that opens."""
    before = len(office.slack.calls("views.open"))
    office.slack.click(it, buttons(it)[label], user=user)
    eventually(lambda: len(office.slack.calls("views.open")) > before, office.read)
    assert office.slack.submit({"reason": reason} if reason else {}, user=user) == {}


def id_of(it: Said) -> str:
    """The approval that a card is of."""
    return str(next(e["value"] for b in it["blocks"] if b["type"] == "actions" for e in b["elements"]))


def audit(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """What the terminal says of the audit."""
    argv, environment = [sys.executable, "-m", "bot", "audit", *words], {**os.environ, **lab.settings()}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_it_is_asked_for_agreed_to_written_read_back_and_undone(office: Office, node: GuestNode, lab: Lab) -> None:
    before = held(node)
    it = asked(office, 198000)
    for part in (f"{before:,}", "198,000", NAME, f"<@{BOB}>"):
        assert part in json.dumps(it["blocks"])
    assert held(node) == before
    decides(office, it, "Approve", BOB)
    done = card(office, it, "[Undo]")
    assert held(node) == 198000
    office.sees(f"read back on 1 node: {before} → 198000")
    decides(office, done, "Undo", "U0ALICE")
    card(office, it, "↩️ undone")
    assert held(node) == before
    told = audit(lab, "show", "--job", id_of(it))
    for kind in ("plan", "vote", "grant", "execution", "read-back", "undo"):
        assert re.search(rf"\b{kind}\b", told.stdout), (kind, told.stdout + told.stderr)
    assert audit(lab, "verify").returncode == 0


def test_who_asked_cannot_agree(office: Office, node: GuestNode) -> None:
    before = held(node)
    it = asked(office, 198001)
    decides(office, it, "Approve", "U0ALICE")
    office.sees("you asked for this yourself")
    assert "waiting for" in read(card(office, it, "waiting for"))
    decides(office, it, "Withdraw", "U0ALICE")
    card(office, it, "withdrawn")
    assert held(node) == before


def test_a_rejection_changes_nothing_and_says_why(office: Office, node: GuestNode) -> None:
    before = held(node)
    it = asked(office, 198002)
    decides(office, it, "Reject", BOB, "not during the incident")
    card(office, it, "rejected")
    office.sees("not during the incident")
    assert held(node) == before


def test_what_somebody_changed_in_between_is_left_alone(office: Office, node: GuestNode) -> None:
    before = held(node)
    it = asked(office, 198003)
    node.sysctl({MAXIMUM: 150000})
    decides(office, it, "Approve", BOB)
    card(office, it, "150000")
    assert held(node) == 150000
    node.sysctl({MAXIMUM: before})


def test_who_goes_ahead_alone_says_why_and_everybody_hears(office: Office, node: GuestNode) -> None:
    before = held(node)
    it = asked(office, 198004, user=CAROL)
    decides(office, it, "Go ahead alone", CAROL, "the shop is down")
    done = card(office, it, "[Undo]")
    office.sees("the shop is down")
    assert held(node) == 198004
    decides(office, done, "Undo", CAROL)
    card(office, it, "↩️ undone")
    assert held(node) == before


def test_what_cannot_be_is_refused_before_anybody_is_asked(office: Office, node: GuestNode) -> None:
    for words, why in (
        (f"conntrack_max 1 on {NAME}", "in use"),
        (f"conntrack_max {held(node)} on {NAME}", "already"),
        (f"conntrack_max banana on {NAME}", "not a whole number"),
        (f"conntrack_max -5 on {NAME}", "must be more than 0"),
        (f"conntrack_max 2000000000 on {NAME}", "memory"),
        ("conntrack_max 300000 on node-one", "cannot be written"),
    ):
        said = read(office.asks(f"set {words}"))
        assert why in said
        assert "waiting for" not in said


def test_it_goes_by_itself_when_everybody_else_is_gone(
    lab: Lab, node: GuestNode, bot_and_worker: tuple[Role, Role], start: Starting, more_settings: Mapping[str, str]
) -> None:
    """The last one: bot, approver and worker are killed, and so are sshd and the helper on the node; others end what is left."""
    lab.slack.reset()
    office = Office(lab.slack, *bot_and_worker)
    before = held(node)
    it = asked(office, 198005, " for 10s")
    decides(office, it, "Approve", BOB)
    eventually(lambda: held(node) == 198005, office.read)
    for role in bot_and_worker:
        role.kill()
    node.run(["sh", "-c", "kill -9 $(pgrep -f 'node-helper serve') $(pgrep -x sshd)"], check=False)
    eventually(lambda: held(node) == before, lambda: f"still {held(node)}")
    left = jobs_of(office.worker, "job_taken") - jobs_of(office.worker, "job_ended")
    _, others = (start(name, **more_settings) for name in ("bot", "worker"))
    eventually(lambda: left <= jobs_of(others, "job_ended"), office.read)
    eventually(lambda: "being carried out" not in read(card(office, it, NAME)), office.read)
