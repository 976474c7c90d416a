"""Our side of the conntrack benchmark, in a process of the Python that nodes have; imports the helper and nothing else.

Started inside a namespace; each line on standard input names a job, each on standard output says its cost in seconds of
processor time and of the clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing

from node_helper.conntrack import asking
from node_helper.conntrack.matching import EVERYTHING
from node_helper.conntrack.reading import Reader
from node_helper.conntrack.wants import Which
from node_helper.facts import conntrack, conntrack_stats
from node_helper.kernel import Netns
from node_helper.linux import Linux, netns
from node_helper.stop import Stop

ADDRESS = "198.18.0.7"


class _Here(Linux):
    """The namespace of this process is the node's."""

    def own_netns(self) -> Netns:
        return netns.at("/proc/self/ns/net")


def _dump(kernel: _Here) -> int:
    reader, flows = Reader(), 0
    with asking.without_collector(), closing(asking.dump(kernel, EVERYTHING)) as datagrams:  # type: ignore[type-var]  # a generator
        for data in datagrams:
            for _layout, _values in reader.read(data):
                flows += 1
            if reader.done:
                break
    return flows


_JOBS: dict[str, Callable[[_Here], object]] = {
    "conntrack-dump": _dump,
    "conntrack-totals": lambda kernel: conntrack.collect(kernel, conntrack.Query(lines=0)),
    "conntrack-address": lambda kernel: conntrack.collect(kernel, conntrack.Query(Which(dst=ADDRESS))),
    "conntrack-count": lambda kernel: conntrack_stats.collect(kernel, conntrack_stats.Query()),
}

if __name__ == "__main__":
    here = _Here(Stop(600))
    for line in sys.stdin:
        began, clock = time.process_time(), time.perf_counter()
        _JOBS[line.strip()](here)
        print(time.process_time() - began, time.perf_counter() - clock, flush=True)
