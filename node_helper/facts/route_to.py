"""Where the node itself would send a packet for an address: the kernel's own lookup, policy rules included (`ip route get`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from node_helper.kernel import Kernel
from node_helper.protocol import Fact
from node_helper.records import NextHop


@dataclass(frozen=True)
class Query:
    """The destination."""

    address: str


@dataclass(frozen=True)
class RouteTo:
    """What the lookup says: the kind of route (unicast, local, unreachable, ...), its device and gateway where it has them."""

    kind: str
    device: Optional[str]
    via: Optional[str]


def collect(kernel: Kernel, query: Query) -> RouteTo:
    """Ask the node's namespace (RTM_GETROUTE with RTA_DST; fib_lookup in net/ipv4/fib_frontend.c)."""
    route = kernel.route_to(kernel.own_netns(), query.address)
    hop = route.hops[0] if route.hops else NextHop(None, None)
    return RouteTo(route.kind, hop.device, hop.via)


FACT = Fact(name="route_to", query=Query, answer=RouteTo, collect=collect)
