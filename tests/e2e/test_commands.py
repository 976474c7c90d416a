"""The ways in, and the commands that are about jobs and people: as they are seen in the thread."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from deploy.lab import faults
from deploy.lab.lab import Lab
from deploy.lab.roles import Role
from deploy.lab.slack import Mode, SlackStandIn
from tests.e2e.office import Office, all_is_fit_for_slack, buttons, eventually, read

# Ways in


def test_a_mention_is_answered_under_it_and_one_in_a_thread_in_that_thread(office: Office) -> None:
    asked = office.slack.mention("pods")
    assert office.answer()["thread_ts"] == asked
    root = office.slack.say("the shop is down")
    office.slack.mention("services", thread=root)
    assert office.sees("services in default")["thread_ts"] == root


@pytest.fixture
def by_http(lab: Lab, tmp_path: Path) -> Iterator[Office]:
    """A workspace that delivers signed HTTP, with a bot and worker of its own."""
    data = tmp_path / "data"
    with ExitStack() as stack:
        slack = stack.enter_context(SlackStandIn(tmp_path / "slack", mode=Mode.HTTP))
        theirs = {k: v for k, v in slack.settings().items() if k != "NETCHECK_SLACK_APP_TOKEN"}
        ours = {k: v for k, v in lab.settings().items() if "SLACK" not in k}
        settings = {**ours, **theirs, "NETCHECK_DATA_DIR": str(data)}
        bot, worker = (stack.enter_context(closing(Role(name, settings, tmp_path))) for name in ("bot", "worker"))
        for role in (bot, worker):
            role.await_ready()
        slack.deliver_to(f"{bot.url}/slack/events")
        yield Office(slack, bot, worker)


def test_signed_http_goes_the_whole_way_as_well(by_http: Office) -> None:
    result = by_http.asks("pod client")
    assert read(result).startswith("✅ healthy · pod client")
    by_http.slack.click(result, buttons(result)["Again"])
    eventually(lambda: len(by_http.results()) == 2, by_http.read)
    assert by_http.results()[1]["thread_ts"] == result["ts"]
    asked = by_http.slack.mention("pod client; reboot")
    assert by_http.sees("'client;' is not a name")["thread_ts"] == asked
    by_http.settle()
    all_is_fit_for_slack(by_http.slack)


# Plain commands


def test_help_lists_what_can_be_asked_and_explains_one_command(office: Office) -> None:
    everything = office.asks("help")
    assert everything["subtype"] == "ephemeral"
    for name in ("pod POD", "pods [in NAMESPACE|all]", "dns NAME [from POD]", "ping HOST from POD", "whoami", "cancel [JOB]"):
        assert f"\n{name}" in read(everything)
    one = read(office.asks("help dns"))
    for part in ("Usage: dns NAME [from POD]", "For example: dns hello-world from client", "✅ you may use it here"):
        assert part in one


def test_whoami_says_what_may_be_done_and_why(office: Office) -> None:
    said = read(office.asks("whoami"))
    for part in ("You are U0ALICE, a member", "✅ READ", "✅ PROBE", "⛔ CHANGE", "rule 'members may look and probe'"):
        assert part in said


def test_jobs_are_a_persons_own_newest_first(office: Office) -> None:
    bob = office.slack.workspace.bob
    office.asks("pods", user=bob)
    office.asks("services", user=bob)
    office.asks("pod client")
    office.settle()
    lines = read(office.asks("jobs", user=bob)).splitlines()[1:3]
    assert ["services" in lines[0], "pods" in lines[1]] == [True, True]
    assert all(re.match(r"[0-9a-f]{12} .* done after [0-9.]+ s", line) for line in lines)


def test_again_and_its_button_ask_the_same_once_more(office: Office) -> None:
    first = office.asks("pods in kube-system")
    assert read(office.asks("again")).startswith("✅ healthy · pods in kube-system")
    assert read(office.asks("again " + job_named_in(office, "pods"))).startswith("✅ healthy · pods in kube-system")
    office.slack.click(first, buttons(first)["Again"])
    (in_thread,) = eventually(lambda: [m for m in office.results() if m.get("thread_ts") == first["ts"]], office.read)
    assert read(in_thread).startswith("✅ healthy · pods in kube-system")


def job_named_in(office: Office, part: str) -> str:
    line = next(line for line in read(office.asks("jobs")).splitlines() if part in line)
    return line.split()[0]


def test_the_audit_has_the_whole_way_of_a_job_and_is_proved_by_heads_outside_redis(office: Office, lab: Lab) -> None:
    office.asks("pods in kube-system")
    office.settle()
    said = read(office.asks(f"audit job={job_named_in(office, 'pods')}"))
    for part in ("command", "decision", "execution", "pods in kube-system", "verdict=healthy", "U0ALICE"):
        assert part in said
    argv = [sys.executable, "-P", "-m", "bot", "audit", "verify"]
    done = subprocess.run(argv, env={**os.environ, **lab.settings()}, capture_output=True, text=True, timeout=60, check=False)
    assert "nothing was tampered with" in done.stdout, done
    assert done.returncode == 0


# Cancel and trace


def test_cancel_ends_the_work_on_the_node_and_one_trace_goes_from_the_bot_to_the_helper(office: Office, lab: Lab) -> None:
    with faults.find()["dns-silent"].injected(lab):
        office.slack.command("dns no.such.name.example from client")
        office.sees("asking 1 node: node-one")
        told = read(office.asks_aside("cancel"))
        cancelling = re.match(r"🚫 cancelling job ([0-9a-f]{12}) · dns no.such.name.example from client", told)
        assert cancelling
        office.sees(f"🚫 cancelled by <@U0ALICE>, job {cancelling[1]}")
        (trace,) = {
            found[1] for line in lines(office.bot, f"job={cancelling[1]}") if (found := re.search(r"trace=(t-\w+)", line))
        }
        eventually(lambda: lines(office.worker, "event=helper-log", trace))
    for of_the_node in lines(office.worker, "event=helper-log", trace):
        assert "node=node-one" in of_the_node
        assert re.search(rf"trace={trace} fact=dns(_pair)? outcome=cancelled", of_the_node)
    office.settle()
    for role, events in ((office.bot, ("asked", "job_queued")), (office.worker, ("job_taken", "job_ended"))):
        for event in events:
            assert lines(role, f"event={event} ", f"trace={trace}")


def test_the_cancel_button_ends_a_job_that_waits(office: Office) -> None:
    office.worker.signal(signal.SIGSTOP)
    try:
        office.slack.command("pod client")
        waiting = office.sees("⏳ queued")
        office.slack.click(waiting, buttons(waiting)["Cancel"], user=office.slack.workspace.bob)
        assert "pod client" in read(office.sees("🚫 cancelling job"))
    finally:
        office.worker.signal(signal.SIGCONT)
    assert office.sees("🚫 cancelled by <@U0BOB>")["ts"] == waiting["ts"]
    office.settle()
    assert not office.slack.calls("files.completeUploadExternal")


def test_the_cancel_button_ends_what_is_watched_with_what_was_seen_until_then(office: Office) -> None:
    office.slack.command("conntrack node-one for 5m")
    watching = office.sees("asking 1 node: node-one")
    office.slack.click(watching, buttons(watching)["Cancel"], user=office.slack.workspace.bob)
    seen = office.sees("stopped by <@U0BOB>")
    assert seen["ts"] == watching["ts"]
    assert re.search(r"flows began, \d+ ended in [0-9.]+ s", read(seen))
    office.settle()


def test_what_is_over_cannot_be_cancelled(office: Office) -> None:
    office.asks("pods")
    office.settle()
    assert read(office.asks_aside("cancel")).endswith("is over already: it is done")


def lines(role: Role, *parts: str) -> list[str]:
    """Those lines of its log that have all the parts."""
    return [line for line in role.log.read_text(errors="replace").splitlines() if all(part in line for part in parts)]
