"""The lab, once for all tests that need it: it starts at the first of them and ends after the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.lab.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A healthy cluster. A test that breaks something puts it back."""
    with Lab() as cluster:
        yield cluster
