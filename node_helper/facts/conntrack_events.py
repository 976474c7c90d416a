"""What happens in the node's conntrack table for a while, added up every half second on the node."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Iterator, Optional

from node_helper.conntrack import asking, names
from node_helper.conntrack.events import Events
from node_helper.conntrack.flow import address
from node_helper.conntrack.layout import Layout, Values
from node_helper.conntrack.searching import Tests
from node_helper.conntrack.text import Lines
from node_helper.conntrack.wants import Which
from node_helper.kernel import Kernel
from node_helper.protocol import RowFact

MOMENT_S = 0.5  # as the kernel interface counts them
_LONGEST = 600.0  # seconds
_MOST_LINES = 100_000
_MOST_DESTINATIONS = 1000
_TOP = 50


@dataclass(frozen=True)
class Query:
    """Which flows, for how many seconds, and how many events are wanted as text."""

    seconds: float
    which: Which = field(default_factory=Which)
    lines: int = 20_000

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= _LONGEST:
            raise ValueError(f"{self.seconds:g} s is not between 0 and {_LONGEST:g} s")
        if not 0 <= self.lines <= _MOST_LINES:
            raise ValueError(f"{self.lines} lines are not between 0 and {_MOST_LINES}")


@dataclass(frozen=True)
class Happened:
    """How often something happened to flows of a protocol towards a destination (before translation).

    `unreplied` are those among destroyed ones that never had an answer.
    """

    event: str
    protocol: str
    address: str
    port: Optional[int]
    flows: int
    unreplied: int = 0


@dataclass(frozen=True)
class Moment:
    """Half a second: how many events, the commonest of them, and the first as `conntrack -E` prints them.

    A line of what a program did to the table ends with the port of its netlink socket, mostly its process id; its name, which the
    tool adds while it runs, is not looked for.

    `lost` says that the kernel dropped some because we read too slowly (ENOBUFS), so that all counts are too low. `rare` events
    are in the sums and not in `happened`.
    """

    new: int
    updated: int
    destroyed: int
    lost: bool
    happened: tuple[Happened, ...]
    rare: int
    lines: str


def rows(kernel: Kernel, query: Query) -> Iterator[Moment]:
    """Listen. Entries made while nobody listened may end without an event (nf_conntrack_events 2)."""
    asking.require(kernel)
    events, tests, room = Events(), Tests(query.which.wanted(), ()), query.lines
    moment = _Moment(room)
    with asking.translated(), closing(kernel.conntrack_events(kernel.own_netns(), query.seconds)) as heard:  # type: ignore[type-var]  # a generator
        for data in heard:
            if data is None:
                moment.lost = True
            elif data:
                for event, by, layout, values in events.read(data):
                    wanted, _ = tests.of(layout)
                    if wanted is not None and wanted(values):
                        moment.add(event, by, layout, values)
            else:
                yield moment.over()
                room -= moment.shown
                moment = _Moment(room)
    yield moment.over()


class _Moment:
    """What happens until it is over."""

    def __init__(self, room: int) -> None:
        self.lost = False
        self._sums = {"new": 0, "update": 0, "destroy": 0}
        self._rare = 0
        self._by: dict[tuple[str, int, bytes, Optional[int]], list[int]] = {}
        self._lines = Lines(room)

    @property
    def shown(self) -> int:
        return len(self._lines)

    def add(self, event: str, by: int, layout: Layout, values: Values) -> None:
        self._sums[event] += 1
        self._lines.add(layout, values, event, by)
        said = dict(zip(layout.names, values))
        key = (event, layout.protocol, said["orig_dst"], said.get("orig_dport"))
        if key not in self._by and len(self._by) >= _MOST_DESTINATIONS:
            self._rare += 1
            return
        counted = self._by.setdefault(key, [0, 0])
        counted[0] += 1
        counted[1] += event == "destroy" and not said.get("status", 0) & names.SEEN_REPLY

    def over(self) -> Moment:
        found = sorted(self._by.items(), key=lambda item: -item[1][0])
        happened = tuple(
            Happened(event, names.protocol(protocol), address(packed), port, *counted)
            for (event, protocol, packed, port), counted in found[:_TOP]
        )
        rare = self._rare + sum(counted[0] for _, counted in found[_TOP:])
        sums = self._sums
        return Moment(sums["new"], sums["update"], sums["destroy"], self.lost, happened, rare, self._lines.text())


FACT = RowFact(name="conntrack_events", query=Query, answer=Moment, rows=rows)
