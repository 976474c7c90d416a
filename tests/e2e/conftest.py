"""A healthy lab with an empty channel, people who ask there, and a way to ask for jobs without them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.lab.lab import Lab
from deploy.lab.roles import Role
from tests.e2e.desk import Desk
from tests.e2e.office import Office, all_is_fit_for_slack
from workers.jobs import opened

Starting = Callable[..., Role]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests in here need the lab."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the lab's nodes are namespaces"))


@pytest_asyncio.fixture
async def desk(lab: Lab) -> AsyncIterator[Desk]:
    """An empty channel and a queue of one's own."""
    lab.slack.reset()
    async with opened(None, lab.folder / "data") as jobs:
        yield Desk(lab, jobs)


@pytest.fixture(scope="module")
def more_settings() -> Mapping[str, str]:
    """For a module to say how its bot and worker are set."""
    return {}


@pytest.fixture(scope="module")
def bot_and_worker(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, more_settings: Mapping[str, str]
) -> Iterator[tuple[Role, Role]]:
    """One of each for all tests of a module, with every line that they can log, and less patience with nodes than usual."""
    folder = tmp_path_factory.mktemp("office")
    settings = {**lab.settings(), "NETCHECK_LOG_LEVEL": "debug", "NETCHECK_ANSWER_SECONDS": "5", **more_settings}
    lab.slack.reset()
    with ExitStack() as stack:
        bot, worker = (stack.enter_context(closing(Role(name, settings, folder))) for name in ("bot", "worker"))
        for role in (bot, worker):
            role.await_ready()
        yield bot, worker


@pytest.fixture
def office(lab: Lab, bot_and_worker: tuple[Role, Role]) -> Iterator[Office]:
    """An empty channel where people ask. In the end everything that was asked has ended, and was fit for Slack."""
    lab.slack.reset()
    office = Office(lab.slack, *bot_and_worker)
    yield office
    lab.slack.heal()
    office.settle()
    all_is_fit_for_slack(lab.slack)


@pytest.fixture
def start(lab: Lab, tmp_path: Path) -> Iterator[Starting]:
    """Starts roles that end with the test."""
    roles: list[Role] = []

    def started(name: str = "worker", **settings: str) -> Role:
        role = Role(name, {**lab.settings(), **settings}, tmp_path, len(roles) + 1)
        roles.append(role)
        role.await_ready()
        return role

    yield started
    for role in roles:
        role.kill()
