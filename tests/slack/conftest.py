"""A Slack workspace, started once for all tests of a process, which every test finds empty and healthy; bots that serve it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.lab.slack import Mode, SlackStandIn
from tests.slack.approver_office import Office, office_in
from tests.slack.running_bot import Bot, running, settings_of
from tests.unit.conftest import RedisPlace, jobs, redis_folder, redis_place

__all__ = ["jobs", "redis_folder", "redis_place"]  # the queue's own fixtures, for the tests in here too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests in here need a network namespace for the stand-in."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.skipif(os.geteuid() != 0, reason="needs root: Slack's stand-in gets a network namespace"))


@pytest.fixture(scope="session")
def slack_socket() -> Iterator[SlackStandIn]:
    """One that delivers by Socket Mode."""
    with tempfile.TemporaryDirectory() as folder, SlackStandIn(Path(folder)) as slack:
        yield slack


@pytest.fixture(scope="session")
def slack_http_server() -> Iterator[SlackStandIn]:
    """One that delivers by signed HTTP."""
    with tempfile.TemporaryDirectory() as folder, SlackStandIn(Path(folder), mode=Mode.HTTP) as slack:
        yield slack


@pytest.fixture
def slack(slack_socket: SlackStandIn) -> SlackStandIn:
    """Socket Mode, empty and healthy."""
    slack_socket.reset()
    return slack_socket


@pytest.fixture
def slack_http(slack_http_server: SlackStandIn) -> SlackStandIn:
    """Signed HTTP, empty and healthy."""
    slack_http_server.reset()
    return slack_http_server


@pytest_asyncio.fixture
async def bot(slack: SlackStandIn, redis_place: RedisPlace) -> AsyncIterator[Bot]:
    """By Socket Mode."""
    settings = settings_of(slack, redis_place, slack_app_token=slack.workspace.app_token)
    async with running(slack, redis_place, settings) as it:
        yield it


@pytest_asyncio.fixture
async def http_bot(slack_http: SlackStandIn, redis_place: RedisPlace) -> AsyncIterator[Bot]:
    """By signed HTTP."""
    settings = settings_of(slack_http, redis_place, slack_signing_secret=slack_http.workspace.signing_secret)
    async with running(slack_http, redis_place, settings) as it:
        slack_http.deliver_to(f"{it.url}/slack/events")
        yield it


@pytest.fixture(params=["socket", "http"])
def either(request: pytest.FixtureRequest) -> Bot:
    """Both ways in, one after the other."""
    found: Bot = request.getfixturevalue("bot" if request.param == "socket" else "http_bot")
    return found


@pytest_asyncio.fixture
async def office(slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path) -> AsyncIterator[Office]:
    """A bot that is the approver too."""
    async with office_in(slack, redis_place, tmp_path) as it:
        yield it
