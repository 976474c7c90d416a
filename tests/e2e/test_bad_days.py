"""What people get when something of the way to their answer is broken: it is named with what to do, and nothing is said twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.lab import faults, helper
from deploy.lab.lab import Lab
from deploy.lab.node import Node
from deploy.lab.slack import Fault, Kind
from tests.e2e.office import Office, buttons, eventually, jobs_of, read
from tests.e2e.redis import kill_embedded

CLIENT_FILES = ["client.addr.txt", "client.route.txt"]


# Nodes


@pytest.mark.parametrize(
    ("fault", "reason", "fix"),
    [
        ("sshd-gone", "node-one: the connection was lost", "Look whether the node is up and reachable"),
        (
            "host-key-changed",
            "node-one: its host key CHANGED",
            "If the node was reinstalled, compare it with what ssh-keygen -lf",
        ),
        ("helper-missing", "node-one: it has no helper", "Install node-helper on the node"),
    ],
)
def test_a_node_that_cannot_be_asked_is_named_with_the_fix_and_others_answer(
    office: Office, lab: Lab, fault: str, reason: str, fix: str
) -> None:
    assert read(office.asks("pod client")).startswith("✅ healthy")  # so that there is a connection to lose
    with faults.find()[fault].injected(lab):
        said = read(office.asks("pod client"))
        assert said.startswith("❔ cannot tell · pod client")
        for part in ("Could not look at the pod's sandbox on node-one", "unknown-node", reason, f"Fix: {fix}"):
            assert part in said
        assert "IP: 10.244.1.3" in said  # what Kubernetes knows is shown all the same
        assert "unknown-node" in read(office.asks("dns kubernetes.default from client"))
        assert read(office.asks("pod client-two")).startswith("✅ healthy")
    assert read(office.asks("pod client")).startswith("✅ healthy")


def test_a_helper_that_hangs_is_given_up_and_followed_by_another(office: Office, lab: Lab) -> None:
    node = lab.nodes["node-one"]
    assert read(office.asks("pod client")).startswith("✅ healthy")
    with stopped(node, helpers(node)):
        said = read(office.asks("pod client"))
        assert said.startswith("❔ cannot tell · pod client")
        assert "node-one: no answer in 5 s" in said
        assert "Fix: Ask again" in said
        assert read(office.asks("pod client-two")).startswith("✅ healthy")
        assert read(office.asks("pod client")).startswith("✅ healthy")
    eventually(lambda: len(helpers(node)) == 1, lambda: str(helpers(node)))


def helpers(node: Node) -> list[str]:
    """The helper's processes, by their ids on the node; the shell between sshd and the helper is none."""
    return node.run(["pgrep", "-f", f"python3 -ISB {helper.COMMAND}"], check=False).stdout.split()


@contextmanager
def stopped(node: Node, processes: list[str]) -> Iterator[None]:
    """They do nothing inside, and go on after."""
    assert processes
    node.run(["kill", "-STOP", *processes])
    try:
        yield
    finally:
        node.run(["kill", "-CONT", *processes], check=False)


# Kubernetes


def test_an_api_that_goes_away_is_said_and_the_last_known_pods_are_still_found(office: Office, lab: Lab) -> None:
    lab.api.away()
    try:
        eventually(lambda: "kubernetes_behind kind=pods" in office.worker.log.read_text())
        said = eventually(lambda: cannot_tell(office), office.read)
        for part in ("unknown-cluster", "Kubernetes' list of pods was last current", "IP: 10.244.1.3", "netns: /var/run/netns/"):
            assert part in said
    finally:
        lab.api.back()
    eventually(lambda: read(office.asks("pod client")).startswith("✅ healthy"), office.read)


def cannot_tell(office: Office) -> str:
    """What is said once the worker has noticed: it calls a watch that has just ended current for a moment."""
    said = read(office.asks("pod client"))
    return said if said.startswith("❔ cannot tell (4) · pod client") else ""


# Slack


@pytest.mark.parametrize("kind", [Kind.RATE_LIMITED, Kind.SERVER_ERROR, Kind.RESET])
def test_what_slack_did_not_take_is_sent_again_and_stands_there_once(office: Office, kind: Kind) -> None:
    for method in ("chat.postMessage", "chat.update", "files.getUploadURLExternal", "upload", "files.completeUploadExternal"):
        office.slack.fail(Fault(method, kind, seconds=1))
    assert_answered_once(office)
    assert len(office.said()) == 3  # the result and its two files


@pytest.mark.parametrize("method", ["chat.update", "upload", "files.completeUploadExternal"])
def test_what_slack_took_without_saying_so_stands_there_once(office: Office, method: str) -> None:
    office.slack.fail(Fault(method, Kind.ANSWER_LOST))
    assert_answered_once(office)
    assert len(office.said()) == 3


def test_a_post_that_slack_took_without_saying_so_leaves_a_neutral_line_and_one_result(office: Office) -> None:
    office.slack.fail(Fault("chat.postMessage", Kind.ANSWER_LOST))
    assert_answered_once(office)
    (orphan,) = (m for m in office.said() if m["text"].startswith("⏳"))
    assert "queued, job" in read(orphan)


def assert_answered_once(office: Office) -> None:
    office.slack.command("pod client")
    office.sees("✅ healthy · pod client")
    office.settle()
    assert len(office.results()) == 1
    assert sorted(file["name"] for m in office.said() for file in m.get("files") or ()) == CLIENT_FILES


def test_a_bot_that_is_not_in_the_channel_tells_the_person_how_to_change_that(office: Office) -> None:
    queued = jobs_of(office.bot, "job_queued")
    outside = office.slack.workspace.outside
    message = office.asks("pod client", channel=outside)
    assert (message["subtype"], message["ephemeral_to"]) == ("ephemeral", office.slack.workspace.alice)
    assert "netcheck is not in this channel" in read(message)
    assert "/invite" in read(message)
    assert jobs_of(office.bot, "job_queued") == queued


# Deliveries that come twice


def test_whatever_slack_delivers_twice_makes_one_job(office: Office) -> None:
    office.slack.fail(Fault("delivery", Kind.REPEATED, times=-1))
    queued = jobs_of(office.bot, "job_queued")
    result = office.asks("pods")
    office.slack.mention("services")
    office.sees("services in default")
    office.slack.click(result, buttons(result)["Again"])
    eventually(lambda: len(office.results()) == 3, office.read)
    eventually(lambda: office.bot.log.read_text().count("outcome=repeated") >= 3)
    office.settle()
    assert len(office.results()) == len(jobs_of(office.bot, "job_queued") - queued) == 3


def test_a_second_click_is_another_question(office: Office) -> None:
    result = office.asks("pods")
    for _ in range(2):
        office.slack.click(result, buttons(result)["Again"])
    eventually(lambda: len(office.results()) == 3, office.read)


# Redis


def test_a_redis_that_is_killed_with_a_job_underway_loses_nothing(office: Office, lab: Lab) -> None:
    with faults.find()["dns-silent"].injected(lab):
        taken = jobs_of(office.worker, "job_taken")
        office.slack.command("pod client")
        eventually(lambda: jobs_of(office.worker, "job_taken") - taken)
        kill_embedded(lab)
        office.slack.command("pods")
        office.sees("pods in default")
        office.sees("dns-unreachable")
    office.settle()
    assert len(office.results()) == 2
