"""IPVS's connections, and whether the real server that each leads to is still one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional

from node_helper.ipvs import Connection, Table, Towards, Virtual
from node_helper.kernel import Kernel
from node_helper.protocol import Fact

_Key = tuple[str, str, int]


@dataclass(frozen=True)
class Query:
    """All connections, or those through `only`; at most `most` of them one by one."""

    only: Optional[tuple[Virtual, ...]] = None
    most: int = 0


@dataclass(frozen=True)
class Destination:
    """Connections of one kind, and the weight that their real server has now; None: there is no such real server."""

    towards: Towards
    weight: Optional[int]


@dataclass(frozen=True)
class IpvsConnections:
    """`total` is None where IPVS is not in use here."""

    total: Optional[int]
    destinations: tuple[Destination, ...] = ()
    entries: tuple[Connection, ...] = ()


def collect(kernel: Kernel, query: Query) -> IpvsConnections:
    """Connections first, then the servers: one that was added in between is not taken for gone."""
    netns = kernel.own_netns()
    found = kernel.ipvs_connections(netns, query.only, query.most)
    if found is None:
        return IpvsConnections(None)
    destinations = _joined(kernel.ipvs(netns, query.only), found.towards) if found.towards else ()
    if query.only is not None and any(one.weight is None for one in destinations):
        destinations = _joined(kernel.ipvs(netns), found.towards)  # a server of a mark may have taken them
    return IpvsConnections(found.total, destinations, found.entries)


def _joined(table: Optional[Table], towards: tuple[Towards, ...]) -> tuple[Destination, ...]:
    weights = dict(_weights(table)) if table else {}
    return tuple(Destination(to, _weight(weights, to)) for to in towards)


def _weights(table: Table) -> Iterator[tuple[tuple[_Key, str, int], int]]:
    """By virtual server, address and port. A connection does not tell its mark: those servers stand under no name."""
    for server in table.virtual_servers:
        for real in server.real_servers:
            yield ((server.protocol, server.address, server.port), real.address, real.port), real.weight


def _weight(weights: dict[tuple[_Key, str, int], int], to: Towards) -> Optional[int]:
    """Port 0 of a virtual or real server stands for every port."""
    for key in ((to.protocol, to.virtual, to.virtual_port), (to.protocol, to.virtual, 0), ("", "", 0)):
        for port in (to.destination_port, 0):
            weight = weights.get((key, to.destination, port))
            if weight is not None:
                return weight
    return None


FACT = Fact(name="ipvs_connections", query=Query, answer=IpvsConnections, collect=collect, heavy=True)
