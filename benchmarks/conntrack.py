"""A conntrack table of a quarter of a million flows (the kernel's own maximum stays as it is), read beside conntrack-tools.

Processor time, taken turn by turn in one run, each of its own process.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from benchmarks._conntrack_side import ADDRESS
from benchmarks._rows import Row, milliseconds, ratio, unmeasured
from deploy.lab import packages
from node_helper.kernel import Netns
from node_helper.linux import netns
from tests.conntrack_flows import add, mixed
from tests.throwaway import namespace

_MAXIMUM = Path("/proc/sys/net/netfilter/nf_conntrack_max")
_MOST = 250_000
_TURNS = 7
_SHORT_TURNS = 300
_PYTHON = "/usr/bin/python3"  # what the helper runs on; one built from source without optimisation takes half as long again
_TARGETS = {"conntrack-dump": 0.8, "conntrack-totals": 0.65, "conntrack-address": 0.15}
_COUNT_MS = 0.5


def rows() -> Iterator[Row]:
    """Fill a throw-away namespace, and measure."""
    if os.geteuid() != 0:
        for name in (*_TARGETS, "conntrack-count"):
            yield unmeasured(name, "conntrack", "needs root: it makes a network namespace")
        return
    flows = min(_MOST, int(_MAXIMUM.read_text()) * 95 // 100)
    with namespace() as where:
        add(where, islice(mixed(flows), flows))
        yield from _measured(where, flows)


def _measured(where: Netns, flows: int) -> Iterator[Row]:
    tool = _Tool(packages.prepare(print), where)
    jobs = (
        ("conntrack-dump", f"a dump of {flows:,} flows of every kind, each read", ("-L",)),
        ("conntrack-totals", f"totals, states and top destinations of {flows:,} flows", ("-L",)),
        ("conntrack-address", f"the flows towards one address, of {flows:,}", ("-L", "-d", ADDRESS)),
    )
    found: dict[str, list[float]] = {name: [] for name in _TARGETS}
    with _ours(where) as ours:
        for _ in range(_TURNS):
            for name, _what, arguments in jobs:
                found[name].append(ours(name)[0] / tool.spent(*arguments))
        each = [ours("conntrack-count")[1] * 1000 for _ in range(_SHORT_TURNS)]
    for name, what, arguments in jobs:
        yield ratio(name, what, f"conntrack {' '.join(arguments)} >/dev/null", found[name], _TARGETS[name])
    yield milliseconds(
        "conntrack-count", f"count, maximum and counters of each processor, at {flows:,} flows", each, _COUNT_MS, "p50"
    )


@contextmanager
def _ours(where: Netns) -> Iterator[Callable[[str], tuple[float, float]]]:
    """What gives the cost of a job, in seconds of processor time and of the clock."""
    argv = [_PYTHON, "-s", "-m", "benchmarks._conntrack_side"]
    pipe, home = subprocess.PIPE, Path(__file__).parents[1]
    with netns.inside(where, lambda: subprocess.Popen(argv, text=True, cwd=home, stdin=pipe, stdout=pipe)) as side:
        to, back = side.stdin, side.stdout
        assert to
        assert back

        def cost(job: str) -> tuple[float, float]:
            print(job, file=to, flush=True)
            cpu, clock = back.readline().split()
            return float(cpu), float(clock)

        yield cost
        to.close()


class _Tool:
    """Debian's conntrack, started inside a namespace."""

    def __init__(self, tools: packages.Tools, where: Netns) -> None:
        self._path = tools.file("/usr/sbin/conntrack")
        libraries = ":".join(str(path) for path in (tools.usr / "lib").glob("*-linux-gnu"))
        self._environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
        self._where = where

    def spent(self, *arguments: str) -> float:
        """Its processor time in seconds."""
        before = _children()
        netns.inside(self._where, lambda: self._run(arguments))
        return _children() - before

    def _run(self, arguments: tuple[str, ...]) -> None:
        subprocess.run(
            [self._path, *arguments], env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
        )


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
