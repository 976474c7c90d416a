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
from tests.conntrack_flows import PERIOD, Entry, add, change, mixed
from tests.conntrack_tool import command, count_and_date, tool_in
from tests.throwaway import LinuxWhere, namespace, pid_of

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes network namespaces"),
]
TRIES = 5
ALONE = "mount -t tmpfs none /proc && exec conntrack -E --buffer-size 8388608"
"""Without processes: for each event the tool would search all of them for the name of the one that caused it."""


def test_events_are_told_as_the_tool_tells_them(tmp_path: Path) -> None:
    """What begins, changes and ends, of every kind, in its order; the tool listens beside us."""
    flows = list(mixed(PERIOD))
    moments, theirs = next(filter(None, (beside_the_tool(flows, tmp_path / f"events-{n}") for n in range(TRIES))))
    ours = "".join(m.lines for m in moments).splitlines()
    assert [aged(line) for line in ours] == [aged(line) for line in theirs]
    told = Counter(line[:9].strip(" []") for line in theirs)
    ended = {aged(line).partition(" delta-time=")[0] for line in theirs if line.startswith("[DESTROY]")}  # said again: once
    assert (told["NEW"], told["UPDATE"], len(ended)) == (len(flows),) * 3
    sums = {"NEW": sum(m.new for m in moments), "UPDATE": sum(m.updated for m in moments)}
    assert {**sums, "DESTROY": sum(m.destroyed for m in moments)} == told
    assert sum(h.flows for m in moments for h in m.happened) + sum(m.rare for m in moments) == len(theirs)


def beside_the_tool(flows: list[Entry], file: Path) -> tuple[list[conntrack_events.Moment], list[str]] | None:
    """What we are told and what the tool prints, once all flows have ended; None where one of us lost events, and says so.

    The kernel tells all listeners again that a flow has ended where it could not tell one of them (nf_conntrack_ecache.c).
    """
    with namespace() as made, file.open("w") as out:
        netns.inside(made, count_and_date)
        tool = ["timeout", "30", *command(made, "sh", "-c", ALONE)]
        with subprocess.Popen(tool, stdout=out, stderr=subprocess.PIPE, text=True) as beside:
            while not listening(made):
                assert beside.poll() is None
                time.sleep(0.01)
            rows = conntrack_events.rows(LinuxWhere(made), conntrack_events.Query(20.0))
            moments = [next(rows)]
            add(made, flows)
            change(made, [replace(flow, mark=9) for flow in flows])
            tool_in(made)("-F")
            while sum(m.destroyed for m in moments) < len(flows) or moments[-1].destroyed:
                moments.append(next(rows))
            until = time.monotonic() + 5
            while file.read_text().count("\n") < sum(len(m.lines.splitlines()) for m in moments) and time.monotonic() < until:
                time.sleep(0.01)
            beside.terminate()
            assert beside.stderr is not None
            lost = "losing events" in beside.stderr.read() or any(m.lost for m in moments)
    return None if lost else (moments, file.read_text().splitlines())


def listening(where: Netns) -> bool:
    """Whether somebody takes part in all groups of conntrack's events there."""
    sockets = Path(f"/proc/{pid_of(where)}/net/netlink").read_text().splitlines()[1:]
    return any(line.split()[1::2][:2] == ["12", "00000007"] for line in sockets)


def aged(line: str) -> str:
    """An event's line without what passes with time."""
    return re.sub(r"delta-time=\d+", "delta-time=", re.sub(r"^( *\[\w+\] \w+ +\d+) \d+ ", r"\1 ", line))
