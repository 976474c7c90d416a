"""Our reading of a real conntrack table beside conntrack-tools 1.4.7, entry by entry: a hundred thousand flows of every kind."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.lab import packages
from node_helper.conntrack.wants import Which
from node_helper.facts import conntrack, conntrack_entry, conntrack_events, conntrack_stats
from node_helper.kernel import Netns
from node_helper.linux import netns
from tests.conntrack_flows import Entry, add, mixed
from tests.throwaway import LinuxWhere, namespace
from workers.check import Samples, View
from workers.checks._conntrack_seen import Seen, Where
from workers.checks._conntrack_show import show
from workers.objects import Cluster

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes network namespaces"),
]
FLOWS = 100_000
HOME = Path(__file__).parents[2]
Tool = Callable[..., str]


@pytest.fixture(scope="module")
def full() -> Iterator[Netns]:
    """A namespace with flows of every kind; half of them counted and dated."""
    with namespace() as made:
        flows = mixed(FLOWS)
        assert add(made, (next(flows) for _ in range(FLOWS // 2))) == FLOWS // 2
        netns.inside(made, count_and_date)
        assert add(made, flows) == FLOWS // 2
        yield made


def count_and_date() -> None:
    for name in ("acct", "timestamp"):
        Path(f"/proc/sys/net/netfilter/nf_conntrack_{name}").write_text("1")


@pytest.fixture(scope="module")
def tool(full: Netns) -> Tool:
    tools = packages.prepare(print)

    def run(*arguments: str) -> str:
        argv = tools.argv(["nsenter", f"--net={full.path}", "conntrack", *arguments])
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    return run


def ask(where: Netns, lines: int = FLOWS, **which: Any) -> conntrack.Conntrack:
    return conntrack.collect(LinuxWhere(where), conntrack.Query(Which(**which), lines))


def masked(text: str) -> list[str]:
    """Lines without what passes with time."""
    return sorted(
        re.sub(r"delta-time=\d+", "delta-time=", re.sub(r"^(\w+ +\d+) \d+ ", r"\1 ", line)) for line in text.splitlines()
    )


def differences(ours: list[str], theirs: list[str]) -> tuple[list[str], list[str]]:
    """The first lines that only one of the two has."""
    return sorted(set(ours) - set(theirs))[:5], sorted(set(theirs) - set(ours))[:5]


def test_every_flow_reads_as_the_tool_prints_it(full: Netns, tool: Tool) -> None:
    seen = ask(full)
    assert (seen.flows, seen.shown, seen.forgotten) == (FLOWS, FLOWS, 0)
    ours, theirs = masked(seen.lines), masked(tool("-L"))
    assert differences(ours, theirs) == ([], [])
    assert ours == theirs


BOUNDED = """
import json, resource, sys
from node_helper.facts import conntrack
from node_helper.linux import Linux, netns
from node_helper.stop import Stop

class Here(Linux):
    def own_netns(self):
        return netns.at("/proc/self/ns/net")

kernel = Here(Stop(60))
conntrack.collect(kernel, conntrack.Query(conntrack.Which(dst="192.0.2.1")))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
seen = conntrack.collect(kernel, conntrack.Query())
print(json.dumps([seen.flows, seen.shown, seen.cut]))
"""


def test_a_table_is_read_in_memory_that_does_not_grow_with_it(full: Netns) -> None:
    """A sixth of what the helper may have, a tenth of the flows that a large node has; the table alone is 24 MB of messages."""
    argv = ["/usr/bin/python3", "-s", "-c", BOUNDED, str(24 << 20)]
    done = netns.inside(full, lambda: subprocess.run(argv, capture_output=True, text=True, check=False, cwd=HOME))
    assert (done.stdout, done.stderr) == (f"[{FLOWS}, 20000, false]\n", "")


def test_what_a_file_does_not_hold_is_said(full: Netns) -> None:
    node = Where("n1")
    stats = conntrack_stats.collect(LinuxWhere(full), conntrack_stats.Query())
    seen = Seen(node, Which(), Samples(stats, stats, 0.5), conntrack.collect(LinuxWhere(full), conntrack.Query()))
    assert (
        "The file holds the first 20,000 of 100,000 flows; dst=, src=, proto=, port= or state= narrow it."
        in show(None, View(Cluster("c", "now"), "default", "now"), seen).notes
    )
    part = conntrack.collect(LinuxWhere(full), conntrack.Query(seconds=0.01))
    assert (part.cut, part.flows < FLOWS) == (True, True)
    said = show(None, View(Cluster("c", "now"), "default", "now"), replace(seen, table=part)).notes[0]
    assert (
        said
        == f"Cut: the node read {part.flows:,} of 100,000 entries in the time that it gives; totals and file are about these."
    )


def test_totals_are_those_of_the_lines(full: Netns) -> None:
    seen, brief = ask(full), ask(full, lines=0)
    assert (brief.by_state, brief.destinations, brief.translated) == (seen.by_state, seen.destinations, seen.translated)
    lines = seen.lines.splitlines()
    assert sum(t.unreplied for t in seen.by_state) == sum("[UNREPLIED]" in line for line in lines)
    assert sum(t.assured for t in seen.by_state) == sum("[ASSURED]" in line for line in lines)
    established = next(t.flows for t in seen.by_state if (t.protocol, t.state) == ("tcp", "ESTABLISHED"))
    assert established == sum(line.startswith("tcp ") and " ESTABLISHED " in line for line in lines)
    for to in seen.destinations:
        port = "" if to.port is None else rf" sport=\d+ dport={to.port}\b"
        pattern = re.compile(rf"{to.protocol} .*? dst={re.escape(to.address)}{port}")
        assert to.flows == sum(bool(pattern.match(line)) and line.split("dst=")[1].startswith(f"{to.address} ") for line in lines)


@pytest.mark.parametrize(
    ("which", "arguments"),
    [
        ({"dst": "10.96.0.10"}, ("-d", "10.96.0.10")),
        ({"dst": "198.18.0.7"}, ("-d", "198.18.0.7")),
        ({"dst": "fd00:99::7"}, ("-f", "ipv6", "-d", "fd00:99::7")),
        ({"src": "10.0.0.1"}, ("-s", "10.0.0.1")),
        ({"dst": "198.18.0.7", "protocol": "tcp"}, ("-d", "198.18.0.7", "-p", "tcp")),
        ({"dst": "10.96.0.10", "protocol": "udp", "port": 53}, ("-d", "10.96.0.10", "-p", "udp", "--dport", "53")),
        ({"protocol": "udp", "port": 53}, ("-p", "udp", "--dport", "53")),
        ({"protocol": "icmp"}, ("-p", "icmp")),
        ({"protocol": "tcp", "state": "TIME_WAIT"}, ("-p", "tcp", "--state", "TIME_WAIT")),
        ({"state": "ASSURED"}, ("--status", "ASSURED")),
        ({"state": "DST_NAT"}, ("-g",)),
        ({"state": "SRC_NAT"}, ("-n",)),
        ({"zone": 3}, ("-w", "3")),
        ({"mark": 7}, ("-m", "7")),
    ],
    ids=str,
)
def test_a_choice_holds_the_flows_that_the_tool_chooses(
    full: Netns, tool: Tool, which: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    seen = ask(full, **which)
    families = (
        [()] if "-f" in arguments or any(k in which for k in ("src", "dst")) or "icmp" in arguments else [(), ("-f", "ipv6")]
    )
    expected = "".join(tool("-L", *arguments, *family) for family in families)
    assert seen.flows > 0
    assert masked(seen.lines) == sorted(set(masked(expected)))


def test_a_pod_has_the_flows_it_began_and_those_it_answers(full: Netns) -> None:
    everything = masked(ask(full).lines)
    expected = [line for line in everything if line.split("src=")[2].startswith("10.244.1.4 ")]
    assert masked(ask(full, ends=("10.244.1.4",)).lines) == expected
    assert expected


def test_count_and_counters_are_the_tools(full: Netns, tool: Tool) -> None:
    stats = conntrack_stats.collect(LinuxWhere(full), conntrack_stats.Query())
    assert (stats.in_use, stats.count) == (True, int(tool("-C")))
    said = [dict(pair.split("=") for pair in line.split()) for line in tool("-S").splitlines()]
    assert [{"cpu": str(c.cpu), **{name: str(n) for name, n in c.counters.items()}} for c in stats.cpus] == said


def test_one_flow_is_found_by_its_first_packet(full: Netns) -> None:
    known = next(f for f in ask(full, dst="198.18.0.7", protocol="tcp").first)
    there = known.original
    query = conntrack_entry.Query(there.src, there.dst, "tcp", there.sport or 0, there.dport or 0)
    found = conntrack_entry.collect(LinuxWhere(full), query).flow
    assert found is not None
    assert (found.original, found.reply, found.state) == (known.original, known.reply, known.state)
    other = conntrack_entry.Query(there.src, there.dst, "tcp", there.sport or 0, 1)
    assert conntrack_entry.collect(LinuxWhere(full), other).flow is None


def test_events_tell_what_begins_and_what_ends() -> None:
    entries = [Entry("10.0.0.1", "10.0.0.2", 17, (1000 + n, 53), timeout=1 + n // 10) for n in range(20)]
    with namespace() as made:
        rows = conntrack_events.rows(LinuxWhere(made), conntrack_events.Query(4.0))
        first = next(rows)
        add(made, entries)
        moments = [first, *rows]
    assert sum(m.new for m in moments) == len(entries)
    assert not any(m.lost for m in moments)
    lines = "".join(m.lines for m in moments).splitlines()
    begun = [line for line in lines if line.startswith("    [NEW] udp      17 ")]
    assert sorted(int(line.split("sport=")[1].split()[0]) for line in begun) == list(range(1000, 1020))
    assert sum(h.flows for m in moments for h in m.happened if h.event == "new") == len(entries)
