"""A pod and its node, made once for the tests of a module, or anew for a test that needs them fresh; a place for rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab import packages
from node_helper.kernel import Netns
from node_helper.linux import Linux
from tests.kernel.pod_and_node import pod_and_node
from tests.rules_loaded import Loaded, namespace
from tests.throwaway import LinuxWhere


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Netns, Netns]]:
    """The pod and the node of a module."""
    with pod_and_node() as made:
        yield made


@pytest.fixture
def fresh() -> Iterator[tuple[Netns, Netns]]:
    """A pair that has sent no ICMP error yet: the kernel sends only a few a second to one host (ip_error in net/ipv4/route.c)."""
    with pod_and_node() as made:
        yield made


@pytest.fixture
def kernel(pair: tuple[Netns, Netns]) -> Iterator[Linux]:
    """The helper's kernel, on that node."""
    with LinuxWhere(pair[1]) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def tools() -> packages.Tools:
    return packages.prepare(print)


@pytest.fixture
def loaded(tools: packages.Tools, tmp_path: Path) -> Iterator[Loaded]:
    with namespace(tools, tmp_path) as made:
        yield made
