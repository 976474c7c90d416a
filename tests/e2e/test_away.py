"""Redis and Kubernetes away while bot and worker run, and when they start: people are told at once, and no job is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab import faults
from deploy.lab.lab import Lab
from deploy.lab.roles import Role
from tests.e2e.conftest import Starting
from tests.e2e.office import Office, all_is_fit_for_slack, eventually, jobs_of, read
from tests.e2e.redis import OwnRedis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path)
    server.start()
    yield server
    server.kill()


def test_while_redis_is_away_people_are_told_and_what_was_underway_is_answered_later(
    lab: Lab, start: Starting, redis: OwnRedis, tmp_path: Path
) -> None:
    lab.slack.reset()
    bot, worker = (
        start(name, NETCHECK_REDIS_URL=redis.url, NETCHECK_AUDIT_SINK=f"file:{tmp_path}/heads.log") for name in ("bot", "worker")
    )
    office = Office(lab.slack, bot, worker)
    with faults.find()["dns-silent"].injected(lab):
        office.slack.command("pod client")
        eventually(lambda: jobs_of(office.worker, "job_taken"))
        redis.kill()
        told = office.asks_aside("pods")
        assert "The job queue (Redis) does not answer" in read(told)
        assert "nothing was started" in read(told)
        redis.start()
        office.sees("pod client · ")
    eventually(lambda: read(office.asks("pods")).startswith("✅"), office.read)
    office.settle()
    assert len([m for m in office.results() if "pod client" in m["text"]]) == 1
    all_is_fit_for_slack(lab.slack)


def test_with_an_api_that_is_away_from_the_start_nothing_is_called_unknown_without_saying_so(
    lab: Lab, start: Starting, tmp_path: Path
) -> None:
    lab.slack.reset()
    bot = start("bot")
    lab.api.away()
    try:
        worker = Role("worker", lab.settings(), tmp_path, 99)
        office = Office(lab.slack, bot, worker)
        said = read(office.asks("pod client"))
        assert said.startswith("❔ cannot tell")
        assert "Cannot tell whether there is a pod client: Kubernetes' list of pods has not been read" in said
        assert "There is no pod" not in said
        assert "Connection refused" in said
        assert read(office.asks("services")).startswith("❔ cannot tell")
    finally:
        lab.api.back()
    try:
        worker.await_ready()
        assert read(office.asks("pod client")).startswith("✅ healthy")
        office.settle()
        all_is_fit_for_slack(lab.slack)
    finally:
        worker.close()
