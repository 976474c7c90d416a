"""Who moves a node's packets beside netfilter: eBPF programs on its devices and at the root of its cgroups."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel
from node_helper.programs import Program, Programs
from node_helper.protocol import Fact

__all__ = ["FACT", "Program", "Programs", "Query", "collect"]


@dataclass(frozen=True)
class Query:
    """The node's own namespace and cgroups."""


def collect(kernel: Kernel, query: Query) -> Programs:  # noqa: ARG001  (every fact takes one)
    """Ask what is attached; nothing is loaded or made by asking."""
    return kernel.programs(kernel.own_netns())


FACT = Fact(name="dataplane", query=Query, answer=Programs, collect=collect)
