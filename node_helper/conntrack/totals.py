"""What is in a table, added up while it is read: how many flows by protocol and state, and where they go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Optional

from node_helper.conntrack import names
from node_helper.conntrack.flow import address
from node_helper.conntrack.layout import Layout, Values

COUNTED = frozenset({"orig_dst", "orig_dport", "status", "tcp_state", "sctp_state", "dccp_state"})
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
        self._by_state: dict[tuple[int, str], list[int]] = {}
        self._by_destination: Counter[tuple[int, bytes, Optional[int]]] = Counter()
        self._unreplied: Counter[tuple[int, bytes, Optional[int]]] = Counter()

    def add(self, layout: Layout, of: tuple[str, ...], counts: dict[Values, int]) -> None:
        """So many flows of each combination of the values that `of` names."""
        status_at, dst_at, port_at, state_at = (
            of.index(name) if name in of else None
            for name in ("status", "orig_dst", "orig_dport", f"{names.protocol(layout.protocol)}_state")
        )
        for values, flows in counts.items():
            status = 0 if status_at is None else values[status_at]
            state = "" if state_at is None else names.state(values[state_at], layout.protocol)
            unreplied = 0 if status & names.SEEN_REPLY else flows
            self.flows += flows
            self.translated += flows if status & (names.SRC_NAT | names.DST_NAT) else 0
            total = self._by_state.setdefault((layout.protocol, state), [0, 0, 0])
            for at, more in enumerate((flows, unreplied, flows if status & names.ASSURED else 0)):
                total[at] += more
            if dst_at is not None:
                self._to((layout.protocol, values[dst_at], None if port_at is None else values[port_at]), flows, unreplied)

    def by_state(self) -> tuple[Total, ...]:
        """Most flows first."""
        totals = (Total(names.protocol(p), state, *counted) for (p, state), counted in self._by_state.items())
        return tuple(sorted(totals, key=lambda t: (-t.flows, t.protocol, t.state)))

    def destinations(self, most: int) -> tuple[Destination, ...]:
        """Those with most flows, most first."""
        found = sorted(self._by_destination.items(), key=lambda item: (-item[1], item[0][0], item[0][1], item[0][2] or 0))
        return tuple(
            Destination(names.protocol(p), address(packed), port, flows, self._unreplied[p, packed, port])
            for (p, packed, port), flows in found[:most]
        )

    def _to(self, destination: tuple[int, bytes, Optional[int]], flows: int, unreplied: int) -> None:
        self._by_destination[destination] += flows
        if unreplied:
            self._unreplied[destination] += unreplied
        if len(self._by_destination) > _MOST_DESTINATIONS:
            self._forget()

    def _forget(self) -> None:
        before = sum(self._by_destination.values())
        self._by_destination = Counter(dict(self._by_destination.most_common(_KEPT_DESTINATIONS)))
        self._unreplied = Counter({key: n for key, n in self._unreplied.items() if key in self._by_destination})
        self.forgotten += before - sum(self._by_destination.values())
