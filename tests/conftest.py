"""What all tests share: who needs real parts, the lab, once for all tests that need it, how properties are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from deploy.lab import machine
from deploy.lab.errors import LabError
from deploy.lab.lab import Lab
from deploy.lab.plan import WITH_DOCKER
from tests import examples
from workers.queue import embedded

examples.register()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on real parts need root on Debian 12; there none is skipped."""
    examples.watch(items)
    try:
        machine.require()
    except LabError as error:
        skip = pytest.mark.skip(reason=str(error))
        for item in items:
            if item.get_closest_marker("live") or item.get_closest_marker("e2e"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def logs_as_they_are_by_default() -> Iterator[None]:
    """A command that a test ran in this process has configured its logs; the next test does not hear of it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def embedded_servers_end_with_their_last_user() -> Iterator[None]:
    """Whoever started one in this process has stopped using it by the end, so its keeper has ended it."""
    yield
    for keeper in embedded._keepers:
        keeper.wait(timeout=10)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A healthy cluster, started at the first test that needs it. A test that breaks something puts it back."""
    with Lab() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def lab_with_docker() -> Iterator[Lab]:
    """Another, whose first node runs docker; its tests break nothing."""
    with Lab(plans=WITH_DOCKER) as cluster:
        yield cluster
