"""A Slack workspace, started once for all tests of a process; every test finds it empty and healthy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.slack import Mode, SlackStandIn
from tests.unit.conftest import jobs, redis_folder, redis_place

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
