"""What is in a table, added up while it is read: how many flows by protocol and state, and where they go."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nsmallest
from typing import Mapping, Optional

from node_helper.conntrack import names
from node_helper.conntrack.flow import address
from node_helper.conntrack.layout import Layout, Values

COUNTED = frozenset({"orig_dst", "orig_dport", "status", "tcp_state", "sctp_state", "dccp_state"})
_Place = tuple[int, bytes, Optional[int]]
"""Protocol, packed address and port of a destination."""
_MOST_DESTINATIONS = 100_000
_KEPT_DESTINATIONS = 50_000


@dataclass(frozen=True)
class Total:
    """Flows of one protocol in one state ("" where the protocol has none); those without an answer, and those assured."""

    protocol: str
    state: str
    flows: int
    unreplied: int
    assured: int


@dataclass(frozen=True)
class Destination:
    """Where first packets went, before translation; `port` None where the protocol has none."""

    protocol: str
    address: str
    port: Optional[int]
    flows: int
    unreplied: int


class Totals:
    """Added up from counts of equal values; memory is bounded, whatever the table holds."""

    def __init__(self) -> None:
        self.flows = 0
        self.translated = 0
        self.forgotten = 0
        """Flows to rare destinations that are in no destination's count any more: there were too many to keep."""
        self._by_state: dict[tuple[int, int], list[int]] = {}
        self._by_destination: dict[_Place, list[int]] = {}

    def add(self, layout: Layout, of: tuple[str, ...], counts: Mapping[Values, int]) -> None:
        """So many flows of each combination of the values that `of` names."""
        state_name = f"{names.protocol(layout.protocol)}_state"
        status_at, dst_at, port_at, state_at = (
            of.index(name) if name in of else None for name in ("status", "orig_dst", "orig_dport", state_name)
        )
        protocol, by_state, by_destination = layout.protocol, self._by_state, self._by_destination
        for values, flows in counts.items():  # tens of thousands in a large table: no calls in here
            status = 0 if status_at is None else values[status_at]
            unreplied = 0 if status & names.SEEN_REPLY else flows
            key = protocol, -1 if state_at is None else values[state_at]
            total = by_state.get(key) or by_state.setdefault(key, [0, 0, 0])
            total[0] += flows
            total[1] += unreplied
            total[2] += flows if status & names.ASSURED else 0
            self.flows += flows
            self.translated += flows if status & (names.SRC_NAT | names.DST_NAT) else 0
            if dst_at is not None:
                place = protocol, values[dst_at], None if port_at is None else values[port_at]
                seen = by_destination.get(place) or by_destination.setdefault(place, [0, 0])
                seen[0] += flows
                seen[1] += unreplied
                if len(by_destination) > _MOST_DESTINATIONS:
                    by_destination = self._forget()

    def by_state(self) -> tuple[Total, ...]:
        """Most flows first."""
        totals = (
            Total(names.protocol(p), "" if state < 0 else names.state(state, p), *counted)
            for (p, state), counted in self._by_state.items()
        )
        return tuple(sorted(totals, key=lambda t: (-t.flows, t.protocol, t.state)))

    def destinations(self, most: int) -> tuple[Destination, ...]:
        """Those with most flows, most first."""
        found = nsmallest(most, self._by_destination.items(), key=_rank)
        return tuple(Destination(names.protocol(p), address(packed), port, *seen) for (p, packed, port), seen in found)

    def _forget(self) -> dict[_Place, list[int]]:
        """Keep those with most flows."""
        before = sum(flows for flows, _ in self._by_destination.values())
        self._by_destination = dict(nsmallest(_KEPT_DESTINATIONS, self._by_destination.items(), key=_rank))
        self.forgotten += before - sum(flows for flows, _ in self._by_destination.values())
        return self._by_destination


def _rank(item: tuple[_Place, list[int]]) -> tuple[int, int, bytes, int]:
    (protocol, packed, port), (flows, _) = item
    return -flows, protocol, packed, port or 0
