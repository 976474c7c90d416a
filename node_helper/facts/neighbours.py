"""The ARP and NDP tables of a namespace."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import Fact
from node_helper.records import Neighbour

_UNASKED = frozenset({"noarp", "none"})


@dataclass(frozen=True)
class Query:
    """Which namespace."""

    netns: Netns


@dataclass(frozen=True)
class Neighbours:
    """Entries as `ip neigh` shows them: those that need no resolution (loopback, multicast) are left out."""

    neighbours: tuple[Neighbour, ...]


def collect(kernel: Kernel, query: Query) -> Neighbours:
    """Read both tables."""
    return Neighbours(tuple(n for n in kernel.neighbours(query.netns) if n.state not in _UNASKED))


FACT = Fact(name="neighbours", query=Query, answer=Neighbours, collect=collect)
