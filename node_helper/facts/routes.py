"""The routes of a namespace, without the noise that the kernel keeps in table `local` for every address."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import Fact
from node_helper.records import Route

_LOCAL_TABLE = 255  # RT_TABLE_LOCAL in linux/rtnetlink.h
_NOISE = frozenset({"local", "broadcast", "multicast", "anycast"})


@dataclass(frozen=True)
class Query:
    """Which namespace."""

    netns: Netns


@dataclass(frozen=True)
class Routes:
    """Routes of table main (254) and of every other table, IPv4 before IPv6, in the kernel's order."""

    routes: tuple[Route, ...]


def collect(kernel: Kernel, query: Query) -> Routes:
    """Read every table and leave out what the kernel made for its own addresses."""
    return Routes(tuple(r for r in kernel.routes(query.netns) if not (r.table == _LOCAL_TABLE and r.kind in _NOISE)))


FACT = Fact(name="routes", query=Query, answer=Routes, collect=collect)
