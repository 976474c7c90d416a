"""conntrack's events beside `conntrack -E`, line by line."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from node_helper.facts import conntrack_events
from node_helper.kernel import Netns
from node_helper.linux import netns
from tests.conntrack_flows import PERIOD, add, change, mixed
from tests.conntrack_tool import command, count_and_date, tool_in
from tests.throwaway import LinuxWhere, namespace, pid_of

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes network namespaces"),
]
ALONE = "mount -t tmpfs none /proc && exec conntrack -E"
"""Without processes: for each event the tool would search all of them for the name of the one that caused it."""


def test_events_are_told_as_the_tool_tells_them() -> None:
    """What begins, changes and ends, of every kind, in its order; the tool listens beside us."""
    flows = list(mixed(PERIOD))
    with namespace() as made:
        netns.inside(made, count_and_date)
        with subprocess.Popen(
            ["timeout", "30", *command(made, "sh", "-c", ALONE)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as beside:
            while not listening(made):
                assert beside.poll() is None
                time.sleep(0.01)
            rows = conntrack_events.rows(LinuxWhere(made), conntrack_events.Query(20.0))
            moments = [next(rows)]
            add(made, flows)
            change(made, [replace(flow, mark=9) for flow in flows])
            tool_in(made)("-F")
            while sum(m.destroyed for m in moments) < len(flows):
                moments.append(next(rows))
            ours = "".join(m.lines for m in moments).splitlines()
            assert beside.stdout is not None
            theirs = [line.rstrip() for _, line in zip(ours, beside.stdout, strict=False)]
            beside.terminate()
            theirs += beside.stdout.read().splitlines()
    assert not any(m.lost for m in moments)
    assert [aged(line) for line in ours] == [aged(line) for line in theirs]
    told = Counter(line[:9].strip(" []") for line in theirs)
    assert told == {"NEW": len(flows), "UPDATE": len(flows), "DESTROY": len(flows)}
    sums = {"NEW": sum(m.new for m in moments), "UPDATE": sum(m.updated for m in moments)}
    assert {**sums, "DESTROY": sum(m.destroyed for m in moments)} == told
    assert sum(h.flows for m in moments for h in m.happened) + sum(m.rare for m in moments) == len(theirs)


def listening(where: Netns) -> bool:
    """Whether somebody takes part in all groups of conntrack's events there."""
    sockets = Path(f"/proc/{pid_of(where)}/net/netlink").read_text().splitlines()[1:]
    return any(line.split()[1::2][:2] == ["12", "00000007"] for line in sockets)


def aged(line: str) -> str:
    """An event's line without what passes with time."""
    return re.sub(r"delta-time=\d+", "delta-time=", re.sub(r"^( *\[\w+\] \w+ +\d+) \d+ ", r"\1 ", line))
