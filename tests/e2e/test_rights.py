"""People with fewer rights than others: what they are shown, what they are refused and why, and that the worker decides again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.desk import Desk, until
from tests.e2e.office import Office, jobs_of, read
from workers import seal
from workers.jobs import Jobs, Server, State

POLICY = """
version = 1

[[rule]]
name = "Alice sees the shop"
who = ["U0ALICE"]
may = ["READ"]
namespaces = ["default"]
"""


@pytest.fixture(scope="module")
def more_settings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    file = tmp_path_factory.mktemp("policy") / "policy.toml"
    file.write_text(POLICY)
    return {"NETCHECK_POLICY_FILE": str(file)}


def test_help_lists_only_what_the_person_may_use(office: Office) -> None:
    said = read(office.asks("help"))
    assert "\npod POD" in said
    for hidden in ("ping", "connect", "dns"):
        assert f"\n{hidden} " not in said
    assert re.search(r"\n_\d+ more that you may not use here; whoami says why", said)
    assert "⛔ you may not use it here: no rule grants you PROBE" in read(office.asks("help dns"))
    assert "⛔ PROBE" in read(office.asks("whoami"))


@pytest.mark.parametrize(
    ("user", "text", "reason"),
    [
        ("U0ALICE", "ping 10.244.2.3 from client", "no rule grants you PROBE (sends packets) in this channel"),
        ("U0BOB", "pod client", "no rule names you (U0BOB)"),
        ("U0GUEST", "pods", "you are a guest here, and no rule names you (U0GUEST)"),
    ],
)
def test_what_is_not_allowed_is_refused_with_the_reason_and_makes_no_job(
    office: Office, user: str, text: str, reason: str
) -> None:
    queued = jobs_of(office.bot, "job_queued")
    message = office.asks(text, user=user)
    assert (message["subtype"], message["ephemeral_to"]) == ("ephemeral", user)
    assert read(message) == f"⛔ {reason}"
    assert jobs_of(office.bot, "job_queued") == queued


def test_what_is_allowed_is_answered_without_the_rest_of_the_cluster(office: Office) -> None:
    assert read(office.asks("pod client")).startswith("✅ healthy")
    assert "There is no pod kube-dns" in read(office.asks("pod kube-dns"))
    assert "hello-world" in read(office.asks("pods"))
    only = "from this channel, only about default"
    assert read(office.asks("pods in all")) == f"⛔ you may not ask about all namespaces {only}"
    assert read(office.asks("pod kube-system/kube-dns")) == f"⛔ you may not ask about the namespace kube-system {only}"


@pytest.mark.parametrize(
    ("user", "command", "words"),
    [("", "ping", {"host": "10.244.2.3", "pod": "client"}), ("U0BOB", "pods", {})],
)
async def test_a_job_that_was_queued_past_the_bot_is_refused_by_the_worker(
    office: Office, desk: Desk, user: str, command: str, words: dict[str, str]
) -> None:
    job = await desk.ask(command, user, **words)
    assert await desk.ended(job) is State.REFUSED
    await until(lambda: [m for m in office.said() if read(m).startswith("⛔ no rule")])
    assert "job_refused" in office.worker.log.read_text()


async def test_a_job_that_somebody_else_wrote_into_redis_is_not_done(office: Office, desk: Desk, tmp_path: Path) -> None:
    server = Server(f"unix://{desk.lab.folder / 'data' / 'redis' / 'redis.sock'}")
    theirs = Desk(desk.lab, Jobs(server, seal.read_or_make(tmp_path / "another.key")))
    job = await theirs.ask("pods")
    await until(lambda: job.id in jobs_of(office.worker, "job_forged"))
    await theirs.jobs.aclose()
    assert office.read().startswith("⏳ queued")
    assert not office.results()
