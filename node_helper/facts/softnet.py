"""What each processor did with the packets that devices handed it, before netfilter saw them (/proc/net/softnet_stat)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from node_helper.kernel import Kernel
from node_helper.protocol import CannotLook, Fact

_PATH = "/proc/net/softnet_stat"
_LIMIT = 1 << 20
_LEAST = 3
_RPS, _FLOW_LIMIT, _BACKLOG, _INDEX = 9, 10, 11, 12


@dataclass(frozen=True)
class Query:
    """There is one such table for the machine, whatever the namespace."""


@dataclass(frozen=True)
class Cpu:
    """Counters since the machine started (softnet_seq_show in net/core/net-procfs.c).

    `dropped`: the backlog was full; `squeezed`: it stopped with work left because its budget or time was spent. `backlog` is
    how many packets wait now. Those that this kernel does not tell are None. `index` is the line where it does not tell that.
    """

    index: int
    processed: int
    dropped: int
    squeezed: int
    received_rps: Optional[int] = None
    flow_limited: Optional[int] = None
    backlog: Optional[int] = None


@dataclass(frozen=True)
class Softnet:
    """Every processor that is online."""

    cpus: tuple[Cpu, ...]


def collect(kernel: Kernel, query: Query) -> Softnet:  # noqa: ARG001  (every fact takes one)
    """Read the file. ``missing`` where there is none."""
    text = kernel.read_in(kernel.own_netns(), _PATH, _LIMIT)
    if text is None:
        raise CannotLook(f"{_PATH} does not exist", kind="missing", fix="mount the node's own /proc where the helper runs")
    return parse(text)


def parse(text: str) -> Softnet:
    """One processor a line, hexadecimal columns; newer kernels have more of them. `CannotLook` ``malformed``."""
    return Softnet(tuple(_cpu(number, line.split()) for number, line in enumerate(text.splitlines())))


def _cpu(line: int, words: list[str]) -> Cpu:
    try:
        columns = [int(word, 16) for word in words]
    except ValueError:
        columns = []
    if len(columns) < _LEAST:
        raise CannotLook(f"line {line + 1} of {_PATH} is not what the kernel prints: {words[:4]}", kind="malformed")
    processed, dropped, squeezed, *_ = columns
    told = dict(enumerate(columns))
    index = told.get(_INDEX, line)
    return Cpu(index, processed, dropped, squeezed, told.get(_RPS), told.get(_FLOW_LIMIT), told.get(_BACKLOG))


FACT = Fact(name="softnet", query=Query, answer=Softnet, collect=collect)
