"""Our reading of a real conntrack table beside conntrack-tools 1.4.7, entry by entry: a hundred thousand flows of every kind.

DCCP is missing: a kernel of today does not track it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from node_helper.conntrack.wants import Which
from node_helper.facts import conntrack, conntrack_entry, conntrack_stats
from node_helper.kernel import Netns
from node_helper.linux import netns
from tests.conntrack_flows import CONFIRMED, SEEN_REPLY, TCP, Entry, add, mixed
from tests.conntrack_tool import Tool, count_and_date, tool_in
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
PODS = ("10.244.1.4", "fd00:244::4")  # to which services of the flows lead
BEGUN = [
    Entry(pod, far, TCP, (port, 443), 3, CONFIRMED | SEEN_REPLY, nat_from=node)
    for pod, far, node in zip(PODS, ("203.0.113.9", "fd00:9::9"), ("198.51.100.7", "fd00:100::7"), strict=True)
    for port in (40_000, 40_001)
]
TCP_STATES = "NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2"
SCTP_STATES = "NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT"
STATES = {"6": TCP_STATES.split(), "132": SCTP_STATES.split()}


@pytest.fixture(scope="module")
def full() -> Iterator[Netns]:
    """A namespace with flows of every kind; half of them counted and dated."""
    with namespace() as made:
        flows = chain(BEGUN, mixed(FLOWS - len(BEGUN)))
        assert add(made, (next(flows) for _ in range(FLOWS // 2))) == FLOWS // 2
        netns.inside(made, count_and_date)
        assert add(made, flows) == FLOWS // 2
        yield made


@pytest.fixture(scope="module")
def tool(full: Netns) -> Tool:
    return tool_in(full)


@pytest.fixture(scope="module")
def listed(tool: Tool) -> list[str]:
    """The whole table as the tool prints it."""
    return masked(tool("-L"))


def ask(where: Netns, lines: int = FLOWS, **which: Any) -> conntrack.Conntrack:
    return conntrack.collect(LinuxWhere(where, 60), conntrack.Query(Which(**which), lines, seconds=60))


def masked(text: str) -> list[str]:
    """Lines without what passes with time."""
    return sorted(
        re.sub(r"delta-time=\d+", "delta-time=", re.sub(r"^(\w+ +\d+) \d+ ", r"\1 ", line)) for line in text.splitlines()
    )


def differences(ours: list[str], theirs: list[str]) -> tuple[list[str], list[str]]:
    """The first lines that only one of the two has."""
    return sorted(set(ours) - set(theirs))[:5], sorted(set(theirs) - set(ours))[:5]


def tuples(line: str) -> tuple[dict[str, str], dict[str, str]]:
    """Both directions in a line of the tool's: the first packet's, and the answers'."""
    found = re.findall(r"(src|dst|sport|dport)=(\S+)", line)
    half = len(found) // 2
    return dict(found[:half]), dict(found[half:])


def test_the_table_has_every_protocol_in_every_state_in_both_families(listed: list[str]) -> None:
    """What the comparisons below are about."""
    seen = set()
    for line in listed:
        _, number, state, *_ = line.split()
        seen.add((number, ":" in tuples(line)[0]["src"], state if number in STATES else ""))
    unlike = {("1", False, ""), ("58", True, "")}
    stateless = {(number, v6, "") for number in ("17", "47", "50", "89", "103", "136") for v6 in (False, True)}
    assert seen == unlike | stateless | {(number, v6, s) for number in STATES for v6 in (False, True) for s in STATES[number]}
    assert all(any(word in line and " src=fd00:" in line for line in listed) for word in ("zone=", "zone-orig="))


def test_the_table_has_every_translation_in_both_families(listed: list[str]) -> None:
    """Of the destination, of the source and of both, of addresses alone and with ports."""
    seen = set()
    for line in listed:
        there, back = tuples(line)
        moved = [word for word, other in (("dst", "src"), ("src", "dst")) if there[word] != back[other]]
        moved += [word for word, other in (("dport", "sport"), ("sport", "dport")) if there.get(word) != back.get(other)]
        if moved:
            seen.add((line.split()[0], ":" in there["src"], " ".join(moved)))
    kinds = ("dst", "src", "dst src", "dst dport", "src sport", "dst src dport", "dst src sport", "dst src dport sport")
    assert seen == {(p, v6, kind) for p in ("tcp", "udp", "sctp", "udplite") for v6 in (False, True) for kind in kinds}


def test_every_flow_reads_as_the_tool_prints_it(full: Netns, listed: list[str]) -> None:
    seen = ask(full)
    assert (seen.flows, seen.shown, seen.forgotten) == (FLOWS, FLOWS, 0)
    ours = masked(seen.lines)
    assert differences(ours, listed) == ([], [])
    assert ours == listed


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
seen = conntrack.collect(kernel, conntrack.Query(seconds=60))
print(json.dumps([seen.flows, seen.shown, seen.cut]))
"""


def test_a_table_is_read_in_memory_that_does_not_grow_with_it(full: Netns) -> None:
    """A fifth of what the helper may have, a tenth of the flows that a large node has; the table alone is 24 MB of messages."""
    argv = ["/usr/bin/python3", "-s", "-c", BOUNDED, str(28 << 20)]
    done = netns.inside(full, lambda: subprocess.run(argv, capture_output=True, text=True, check=False, cwd=HOME))
    assert (done.stdout, done.stderr) == (f"[{FLOWS}, 20000, false]\n", "")


def test_what_a_file_does_not_hold_is_said(full: Netns) -> None:
    node = Where("n1")
    stats = conntrack_stats.collect(LinuxWhere(full), conntrack_stats.Query())
    seen = Seen(node, Which(), Samples(stats, stats, 0.5), conntrack.collect(LinuxWhere(full), conntrack.Query(seconds=60)))
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


def test_totals_are_those_of_the_lines(full: Netns, listed: list[str]) -> None:
    seen, brief = ask(full), ask(full, lines=0)
    assert (brief.by_state, brief.destinations, brief.translated) == (seen.by_state, seen.destinations, seen.translated)
    states, destinations = Counter[tuple[str, str]](), Counter[tuple[str, str, str | None]]()
    unreplied, assured = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for line in listed:
        word, number, state, *_ = line.split()
        there, _ = tuples(line)
        kind = (number if word == "unknown" else word, state if number in STATES else "")
        states[kind] += 1
        unreplied[kind] += "[UNREPLIED]" in line
        assured[kind] += "[ASSURED]" in line
        destinations[kind[0], there["dst"], there.get("dport")] += 1
    totals = {(t.protocol, t.state): (t.flows, t.unreplied, t.assured) for t in seen.by_state}
    assert totals == {kind: (flows, unreplied[kind], assured[kind]) for kind, flows in states.items()}
    most = [
        (to.flows, destinations[to.protocol, to.address, None if to.port is None else str(to.port)]) for to in seen.destinations
    ]
    assert [ours for ours, _ in most] == [theirs for _, theirs in most]
    assert [ours for ours, _ in most] == sorted(destinations.values(), reverse=True)[: len(most)]


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
        ({"src": "fd00:0:8::5"}, ("-f", "ipv6", "-s", "fd00:0:8::5")),
        ({"src": PODS[1], "protocol": "tcp"}, ("-f", "ipv6", "-s", PODS[1], "-p", "tcp")),
        ({"dst": "fd00:99::7", "protocol": "icmpv6"}, ("-f", "ipv6", "-d", "fd00:99::7", "-p", "icmpv6")),
        (
            {"dst": "fd00:96::10", "protocol": "sctp", "port": 53},
            ("-f", "ipv6", "-d", "fd00:96::10", "-p", "sctp", "--dport", "53"),
        ),
        ({"dst": "198.18.0.7", "protocol": "sctp"}, ("-d", "198.18.0.7", "-p", "sctp")),
        ({"dst": "198.18.0.7", "protocol": "gre"}, ("-d", "198.18.0.7", "-p", "gre")),
        ({"dst": "198.18.0.7", "protocol": "udplite"}, ("-d", "198.18.0.7", "-p", "udplite")),
        ({"dst": "198.18.0.7", "protocol": "icmp"}, ("-d", "198.18.0.7", "-p", "icmp")),
        ({"dst": "198.18.0.7", "protocol": "50"}, ("-d", "198.18.0.7", "-p", "50")),
        ({"protocol": "icmp"}, ("-p", "icmp")),
        ({"protocol": "icmpv6"}, ("-f", "ipv6", "-p", "icmpv6")),
        ({"protocol": "sctp", "state": "SHUTDOWN_RECD"}, ("-p", "sctp", "--state", "SHUTDOWN_RECD")),
        ({"protocol": "tcp", "state": "NONE"}, ("-p", "tcp", "--state", "NONE")),
        ({"dst": "198.18.0.7", "state": "REPLIED"}, ("-d", "198.18.0.7", "--status", "SEEN_REPLY")),
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


@pytest.mark.parametrize("to", ["198.18.0.7", "fd00:99::7"])
def test_a_choice_of_unanswered_flows_holds_those_that_the_tool_calls_so(full: Netns, listed: list[str], to: str) -> None:
    """The tool cannot choose by what is not in the status."""
    expected = [line for line in listed if "[UNREPLIED]" in line and tuples(line)[0]["dst"] == to]
    assert masked(ask(full, state="UNREPLIED", dst=to).lines) == expected
    assert len({line.split()[0] for line in expected}) > 3


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_has_the_flows_it_began_and_those_it_answers(full: Netns, listed: list[str], pod: str) -> None:
    sources = [(line, [side["src"] for side in tuples(line)]) for line in listed]
    assert {srcs.index(pod) for _, srcs in sources if pod in srcs} == {0, 1}
    assert masked(ask(full, ends=(pod,)).lines) == [line for line, srcs in sources if pod in srcs]


def test_one_flow_is_found_by_its_first_packet(full: Netns) -> None:
    known = next(f for f in ask(full, dst="198.18.0.7", protocol="tcp").first)
    there = known.original
    query = conntrack_entry.Query(there.src, there.dst, "tcp", there.sport or 0, there.dport or 0)
    found = conntrack_entry.collect(LinuxWhere(full), query).flow
    assert found is not None
    assert (found.original, found.reply, found.state) == (known.original, known.reply, known.state)
    other = conntrack_entry.Query(there.src, there.dst, "tcp", there.sport or 0, 1)
    assert conntrack_entry.collect(LinuxWhere(full), other).flow is None
