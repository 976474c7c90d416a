"""What becomes of a forwarded packet for which no rule speaks: the policies of the chains on the forward hook, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel
from node_helper.protocol import Fact
from node_helper.records import ForwardChain


@dataclass(frozen=True)
class Query:
    """The node's own namespace."""


@dataclass(frozen=True)
class ForwardPolicy:
    """Every such chain of ip, ip6 and inet; none where nothing filters what is forwarded."""

    chains: tuple[ForwardChain, ...]


def collect(kernel: Kernel, query: Query) -> ForwardPolicy:  # noqa: ARG001  (every fact takes one)
    """Read the chains, not their rules."""
    return ForwardPolicy(kernel.forward_chains(kernel.own_netns()))


FACT = Fact(name="forward_policy", query=Query, answer=ForwardPolicy, collect=collect)
