"""What all tests share: the lab, started at the first test that needs it and ended after the last; and no clock in properties."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from deploy.lab.lab import Lab

settings.register_profile("netcheck", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("netcheck")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A healthy cluster. A test that breaks something puts it back."""
    with Lab() as cluster:
        yield cluster
