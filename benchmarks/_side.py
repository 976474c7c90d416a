"""Our side of a benchmark, in a process of the Python that nodes have; imports the helper and nothing else.

Started inside a namespace, which is the node's. Each line on standard input is a job as JSON, its name first; each on standard
output says its cost in seconds of processor time and of the clock.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from node_helper.conntrack import asking
from node_helper.conntrack.matching import EVERYTHING
from node_helper.conntrack.reading import Reader
from node_helper.conntrack.wants import Which
from node_helper.facts import all_rules, chain_rules, conntrack, conntrack_entry, conntrack_stats, dns, interfaces
from node_helper.kernel import Netns
from node_helper.linux import Linux, iptables_legacy, netns
from node_helper.stop import Stop

_MINE = Path("/proc/self/ns/net")


class _Here(Linux):
    """The namespace of this process is the node's."""

    def own_netns(self) -> Netns:
        return Netns(str(_MINE), _MINE.stat().st_ino)


def _dump(kernel: _Here) -> None:
    reader = Reader()
    with asking.without_collector(), closing(asking.dump(kernel, EVERYTHING)) as datagrams:  # type: ignore[type-var]  # a generator
        for data in datagrams:
            for _layout, _values in reader.read(data):
                pass
            if reader.done:
                break


def _totals(kernel: _Here) -> None:
    conntrack.collect(kernel, conntrack.Query(lines=0))


def _address(kernel: _Here, address: str) -> None:
    conntrack.collect(kernel, conntrack.Query(Which(dst=address)))


def _entry(kernel: _Here, *packet: Any) -> None:
    conntrack_entry.collect(kernel, conntrack_entry.Query(*packet))


def _count(kernel: _Here) -> None:
    assert conntrack_stats.collect(kernel, conntrack_stats.Query()).in_use


def _chain(kernel: _Here, backend: Any, chain: str) -> None:
    assert chain_rules.collect(kernel, chain_rules.Query(backend, "ip", "nat", chain)).tables


def _forget(kernel: _Here) -> None:  # noqa: ARG001  (the shape of a job)
    iptables_legacy.forget()


def _all_rules(kernel: _Here, backend: Any) -> None:
    assert all_rules.collect(kernel, all_rules.Query(backend, "ip")).tables


def _interfaces(kernel: _Here, *pods: tuple[str, int]) -> None:  # noqa: ARG001  (each question has a kernel of its own)
    for path, inode in pods:
        with closing(_Here(Stop(600))) as own:
            found = interfaces.collect(own, interfaces.Query(Netns(path, inode)))
            assert any(one.peer and one.addresses for one in found.interfaces)


def _dns(kernel: _Here, path: str, server: str, name: str) -> None:
    assert dns.collect(kernel, dns.Query(netns.at(path), server, name)).outcome == "answered"


_JOBS: dict[str, Callable[..., None]] = {
    "dump": _dump, "totals": _totals, "address": _address, "entry": _entry, "count": _count, "chain": _chain, "forget": _forget,
    "all-rules": _all_rules, "interfaces": _interfaces, "dns": _dns,
}  # fmt: skip

if __name__ == "__main__":
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        gc.collect()
        with closing(_Here(Stop(600))) as here:
            began, clock = time.process_time(), time.perf_counter()
            _JOBS[name](here, *arguments)
            print(time.process_time() - began, time.perf_counter() - clock, flush=True)
