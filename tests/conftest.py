"""What all tests share: who needs real parts, the lab, once for all tests that need it; properties without a clock or chance.

`make test` tries the same examples every time, so that it says something about a change; `make fuzz` looks for new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from deploy.lab import machine
from deploy.lab.errors import LabError
from deploy.lab.lab import Lab
from deploy.lab.plan import WITH_DOCKER
from workers.queue import embedded

settings.register_profile("netcheck", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "fuzz", settings.get_profile("netcheck"), derandomize=False, max_examples=int(os.environ.get("EXAMPLES", "1000"))
)
settings.load_profile("netcheck")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on real parts need root on Debian 12; there none is skipped."""
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
