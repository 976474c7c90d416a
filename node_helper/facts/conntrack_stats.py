"""How full the node's conntrack table is, and its counters on each processor; ask twice for rates."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Optional

from node_helper.conntrack import asking, counters
from node_helper.conntrack.counters import Cpu
from node_helper.kernel import Kernel, Netns
from node_helper.linux import nfnetlink
from node_helper.protocol import CannotLook, Fact

_FOLDER = "/proc/sys/net/netfilter/nf_conntrack_"
_FILES = (asking.MAXIMUM, *(_FOLDER + name for name in ("buckets", "acct", "events", "tcp_be_liberal")))
_COUNT = _FOLDER + "count"
_PER_CPU = "/proc/net/stat/nf_conntrack"


@dataclass(frozen=True)
class Query:
    """There is one table that counts: that of the node's first namespace."""


@dataclass(frozen=True)
class ConntrackStats:
    """`evidence` says what shows that conntrack is `in_use` or not; where it is not, nothing else is known.

    `count` of `maximum` entries, in `buckets` lists. `accounting`, `events` and `liberal` are the sysctls nf_conntrack_acct,
    _events (0 off, 1 on, 2 only while somebody listens) and _tcp_be_liberal; None where this kernel does not have them.
    """

    in_use: bool
    evidence: str
    count: int = 0
    maximum: int = 0
    buckets: Optional[int] = None
    accounting: Optional[int] = None
    events: Optional[int] = None
    liberal: Optional[int] = None
    cpus: tuple[Cpu, ...] = ()


def collect(kernel: Kernel, query: Query) -> ConntrackStats:  # noqa: ARG001  (every fact takes one)
    """Ask ctnetlink, or read the files of proc where the kernel does not speak it now; neither loads anything."""
    netns = kernel.own_netns()
    files = kernel.files_in(netns, _FILES)
    if asking.MAXIMUM not in files:
        return ConntrackStats(in_use=False, evidence=asking.UNUSED)
    with asking.translated():
        count, cpus = _by_files(kernel, netns) if asking.unspoken(kernel) else _by_netlink(kernel, netns)
    maximum, buckets, accounting, events, liberal = (_number(path, files.get(path)) for path in _FILES)
    return ConntrackStats(
        in_use=True,
        evidence=f"{asking.MAXIMUM} is {maximum}",
        count=count,
        maximum=maximum or 0,
        buckets=buckets,
        accounting=accounting,
        events=events,
        liberal=liberal,
        cpus=cpus,
    )


def _by_netlink(kernel: Kernel, netns: Netns) -> tuple[int, tuple[Cpu, ...]]:
    body = nfnetlink.head(0)
    with closing(kernel.conntrack(netns, asking.STATS, body, dump=False)) as answer:  # type: ignore[type-var]  # a generator
        count = counters.count(next(answer))
    cpus: list[Cpu] = []
    with closing(kernel.conntrack(netns, asking.STATS_CPU, body, dump=True)) as answers:  # type: ignore[type-var]  # a generator
        for data in answers:
            more, done = counters.of_cpus(data)
            cpus += more
            if done:
                break
    return count, tuple(cpus)


def _by_files(kernel: Kernel, netns: Netns) -> tuple[int, tuple[Cpu, ...]]:
    count = _number(_COUNT, kernel.read_in(netns, _COUNT))
    if count is None:
        raise CannotLook(f"{_COUNT} does not exist", kind="missing", fix="`modprobe nf_conntrack_netlink` on the node.")
    return count, counters.of_proc(kernel.read_in(netns, _PER_CPU) or "")


def _number(path: str, text: Optional[str]) -> Optional[int]:
    if text is not None and not text.strip().isdigit():
        raise CannotLook(f"{path} holds {text.strip()[:40]!r}, not a number", kind="malformed")
    return None if text is None else int(text)


FACT = Fact(name="conntrack_stats", query=Query, answer=ConntrackStats, collect=collect)
