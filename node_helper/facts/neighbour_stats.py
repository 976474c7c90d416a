"""How full the machine's ARP and NDP tables are, and how often there was no room for another entry (`ip -s ntable`)."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel
from node_helper.protocol import Fact
from node_helper.records import NeighbourTable


@dataclass(frozen=True)
class Query:
    """The tables are one for all namespaces of the machine."""


@dataclass(frozen=True)
class NeighbourStats:
    """Every table; arp_cache is IPv4's, ndisc_cache IPv6's."""

    tables: tuple[NeighbourTable, ...]


def collect(kernel: Kernel, query: Query) -> NeighbourStats:  # noqa: ARG001  (every fact takes one)
    """Ask rtnetlink: unlike /proc/net/stat and gc_thresh* it answers in every namespace."""
    return NeighbourStats(kernel.neighbour_tables(kernel.own_netns()))


FACT = Fact(name="neighbour_stats", query=Query, answer=NeighbourStats, collect=collect)
