"""Conntrack tables of a hundred thousand and of a million flows of every kind, read beside conntrack-tools.

Processor time, taken turn by turn in one run, each of its own process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from statistics import median

from benchmarks._flows import fill, room_for
from benchmarks._rows import Row, milliseconds, ratio
from benchmarks._sides import Ours, Tool, ours
from deploy.lab import packages
from tests.throwaway import namespace

IDS = {
    "conntrack-dump-100k": "a dump of 100,000 flows, each read",
    "conntrack-dump-1m": "a dump of 1,000,000 flows, each read",
    "conntrack-totals-100k": "totals, states and top destinations of 100,000 flows",
    "conntrack-totals-1m": "totals, states and top destinations of 1,000,000 flows",
    "conntrack-address-1m": "the flows towards one address, of 1,000,000",
    "conntrack-count": "count, maximum and counters of each processor, at 1,000,000 flows",
    "growth-flows": "a dump of ten times as many flows, against ten times the cost",
    "growth-flow": "one flow by its tuple, at ten times as many flows",
}
_FEW, _MANY = 100_000, 1_000_000
_ROOM = _MANY + 200_000  # for whatever else the machine holds
_FEW_TURNS, _MANY_TURNS, _SHORT_TURNS = 7, 3, 300
_ADDRESS = "198.18.0.7"
_PACKET = ("10.0.0.11", "198.18.0.1", "tcp", 1, 1)  # whether there is such a flow costs the same as the flow
_DUMP, _TOTALS, _NEAR = 0.8, 0.65, 0.15
_COUNT_MS = 0.5
_LINEAR, _FLAT = 1.2, 1.5  # caches are smaller than a million flows: the kernel's own part grows by more than ten, too


def rows() -> Iterator[Row]:
    """Fill a throw-away namespace, measure, fill it up, and measure again."""
    if os.geteuid() != 0:
        raise PermissionError("needs root: it makes network namespaces")
    with room_for(_ROOM), namespace() as where, ours(where) as our:
        tool = Tool(packages.prepare(lambda _: None), where)
        fill(where, _FEW)
        small = _Beside(our, tool, _FEW_TURNS)
        yield from _read_through(small, "100k")
        few_one = _one_flow(our)
        fill(where, _MANY, before=_FEW)  # one table for all namespaces: a second one beside it would cost its readers, too
        large = _Beside(our, tool, _MANY_TURNS)
        yield from _read_through(large, "1m")
        large.take(("address", _ADDRESS), tool=("-L", "-d", _ADDRESS))
        yield _row("conntrack-address-1m", f"conntrack -L -d {_ADDRESS}", large.ratios["address"], _NEAR)
        counts, theirs = [our("count")[1] * 1000 for _ in range(_SHORT_TURNS)], median(_clocked(tool, "-C"))
        beside = f"conntrack -C: {theirs:.2f} ms"
        yield milliseconds("conntrack-count", IDS["conntrack-count"], counts, _COUNT_MS, "p50", beside)
        tenfold = [cost / 10 / median(small.spent["dump"]) for cost in large.spent["dump"]]
        yield ratio("growth-flows", IDS["growth-flows"], "ten times 100,000 flows", tenfold, _LINEAR)
        again = [cost / median(few_one) for cost in _one_flow(our)]
        yield ratio("growth-flow", IDS["growth-flow"], "the same at 100,000 flows", again, _FLAT)


def _read_through(beside: _Beside, size: str) -> Iterator[Row]:
    beside.take(("dump",), ("totals",))
    yield _row(f"conntrack-dump-{size}", "conntrack -L", beside.ratios["dump"], _DUMP)
    yield _row(f"conntrack-totals-{size}", "conntrack -L", beside.ratios["totals"], _TOTALS)


def _row(id_: str, tool: str, ratios: list[float], target: float) -> Row:
    return ratio(id_, IDS[id_], f"{tool} >/dev/null", ratios, target)


class _Beside:
    """Our side and the tool, turn by turn on one table."""

    def __init__(self, our: Ours, tool: Tool, turns: int) -> None:
        self.ratios: dict[str, list[float]] = {}
        self.spent: dict[str, list[float]] = {}
        self._ours = our
        self._tool = tool
        self._turns = turns

    def take(self, *jobs: tuple[str, ...], tool: tuple[str, ...] = ("-L",)) -> None:
        """Each job, and the tool once a turn; our side has warmed up before the first."""
        for name, *arguments in jobs:
            self._ours(name, *arguments)
        for _ in range(self._turns):
            theirs = self._tool.spent("/usr/sbin/conntrack", *tool)
            for name, *arguments in jobs:
                cost = self._ours(name, *arguments)[0]
                self.spent.setdefault(name, []).append(cost)
                self.ratios.setdefault(name, []).append(cost / theirs)


def _clocked(tool: Tool, *arguments: str) -> Iterator[float]:
    """Milliseconds of the clock."""
    for _ in range(_SHORT_TURNS // 10):
        began = time.perf_counter()
        tool.spent("/usr/sbin/conntrack", *arguments)
        yield (time.perf_counter() - began) * 1000


def _one_flow(our: Ours) -> list[float]:
    """Many at a time: one costs microseconds."""
    return [sum(our("entry", *_PACKET)[0] for _ in range(_SHORT_TURNS // 3)) for _ in range(_MANY_TURNS)]
