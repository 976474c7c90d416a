"""What is in the node's conntrack table: totals, where flows go, and the flows that were asked for."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Callable

from node_helper.conntrack import asking
from node_helper.conntrack.counting import Tally
from node_helper.conntrack.flow import Flow, flow
from node_helper.conntrack.layout import Layout, Values
from node_helper.conntrack.matching import EVERYTHING
from node_helper.conntrack.reading import Reader
from node_helper.conntrack.searching import Search
from node_helper.conntrack.text import Lines
from node_helper.conntrack.totals import COUNTED, Destination, Total, Totals
from node_helper.conntrack.wants import Which
from node_helper.kernel import Kernel
from node_helper.protocol import Fact

_MOST_LINES = 100_000
_MOST_COMBINATIONS = 1 << 16
_MOST_WAITING = 1 << 20  # bytes of messages that wait to be counted: fewer are too few at once, more fit into no cache
_FIRST, _TOP = 20, 20
_LONGEST = 600.0


@dataclass(frozen=True)
class Query:
    """Which flows, how many of them are wanted as text, and for how many seconds a whole table may be read."""

    which: Which = field(default_factory=Which)
    lines: int = 20_000
    seconds: float = 6.0

    def __post_init__(self) -> None:
        if not 0 <= self.lines <= _MOST_LINES:
            raise ValueError(f"{self.lines} lines are not between 0 and {_MOST_LINES}")
        if not 0 < self.seconds <= _LONGEST:
            raise ValueError(f"{self.seconds} seconds are not between 0 and {_LONGEST:g}")


@dataclass(frozen=True)
class Conntrack:
    """Of all wanted flows: how many, by protocol and state, translated ones, and the destinations with most of them.

    `forgotten` flows went to destinations too rare to be told among very many. `lines` are the first flows as `conntrack -L`
    prints them, `shown` of them, and `first` the very first as records. `seen` is how many flows the kernel gave to choose
    from; where it did not choose itself (`by_kernel`), that is the whole table. `cut`: the time was over before the table
    was, and all this is about the part that was read.
    """

    flows: int
    by_state: tuple[Total, ...]
    destinations: tuple[Destination, ...]
    forgotten: int
    translated: int
    lines: str
    shown: int
    first: tuple[Flow, ...]
    seen: int
    by_kernel: bool
    cut: bool = False


def collect(kernel: Kernel, query: Query) -> Conntrack:
    """Read the table once. ``missing`` where conntrack is not in use, or cannot be asked without loading a module."""
    asking.require(kernel)
    wanted, found = query.which.wanted(), _Found(query.lines)
    with asking.translated(), asking.without_collector():
        if wanted.everything:
            cut = _read_all(kernel, found, kernel.now() + query.seconds)
            return found.answer(found.totals.flows, by_kernel=False, cut=cut)
        search = Search(kernel, wanted)
        for layout, values in search.flows():
            found.add(layout, values)
        found.count()
        return found.answer(search.seen, by_kernel=search.by_kernel)


class _Kind:
    """The flows of one layout, by what is counted of them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.names = tuple(name for name in layout.names if name in COUNTED)
        self.key: Callable[[Values], Values] = itemgetter(*(layout.names.index(name) for name in self.names))
        self.counts: dict[Values, int] = {}


class _Found:
    """Flows as they come: the first as text and records, all in the totals."""

    def __init__(self, most: int) -> None:
        self.totals = Totals()
        self._lines = Lines(most)
        self._first: list[Flow] = []
        self._kinds: dict[int, _Kind] = {}
        self._noted = 0

    @property
    def full(self) -> bool:
        return self._lines.full

    def add(self, layout: Layout, values: Values) -> None:
        if not self._lines.full:
            self._lines.add(layout, values)
            if len(self._first) < _FIRST:
                self._first.append(flow(layout, values))
        kind = self._kinds.get(id(layout))
        if kind is None:
            kind = self._kinds[id(layout)] = _Kind(layout)
        key = kind.key(values)
        kind.counts[key] = kind.counts.get(key, 0) + 1
        self._noted += 1
        if self._noted > _MOST_COMBINATIONS:
            self.count()

    def count(self) -> None:
        """Let what was noted be in the totals."""
        for kind in self._kinds.values():
            self.totals.add(kind.layout, kind.names, kind.counts)
            kind.counts.clear()
        self._noted = 0

    def answer(self, seen: int, *, by_kernel: bool, cut: bool = False) -> Conntrack:
        return Conntrack(
            flows=self.totals.flows,
            by_state=self.totals.by_state(),
            destinations=self.totals.destinations(_TOP),
            forgotten=self.totals.forgotten,
            translated=self.totals.translated,
            lines=self._lines.text(),
            shown=len(self._lines),
            first=tuple(self._first),
            seen=seen,
            by_kernel=by_kernel,
            cut=cut,
        )


def _read_all(kernel: Kernel, found: _Found, until: float) -> bool:
    """The first datagrams flow by flow, for their lines; all others are only counted. Whether the time was over before that."""
    cut = False
    reader, tally = Reader(), Tally(COUNTED)
    with closing(asking.dump(kernel, EVERYTHING)) as datagrams:  # type: ignore[type-var]  # every Kernel gives a generator
        for data in datagrams:
            if not found.full:
                for layout, values in reader.read(data):
                    found.add(layout, values)
            else:
                tally.read(data)
                if tally.waiting > _MOST_WAITING:
                    _fold(tally, found.totals, beyond=_MOST_COMBINATIONS)
            if reader.done or tally.done:
                break
            cut = kernel.now() > until
            if cut:
                break
    found.count()
    _fold(tally, found.totals, beyond=0)
    return cut


def _fold(tally: Tally, totals: Totals, beyond: int) -> None:
    known = tally.counts()
    if sum([len(counts) for _, counts in known]) > beyond:
        for layout, counts in known:
            totals.add(layout, layout.names, counts)
            counts.clear()


FACT = Fact(name="conntrack", query=Query, answer=Conntrack, collect=collect, heavy=True)
