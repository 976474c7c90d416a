"""A healthy lab with an empty channel, and a way to ask for jobs there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.lab.lab import Lab
from deploy.lab.roles import Role
from tests.e2e.desk import Desk
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
