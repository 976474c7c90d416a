"""A pod and its node, made once for the tests of a module, or anew for a test that needs them fresh."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node_helper.kernel import Netns
from node_helper.linux import Linux
from tests.kernel.pod_and_node import pod_and_node
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
