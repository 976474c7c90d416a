"""conntrack's counters and count beside `conntrack -S` and `-C`, with values that tell them apart."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
from contextlib import ExitStack, suppress

import pytest

from deploy.lab.guest import uml
from node_helper import codec
from node_helper.facts import conntrack_stats
from node_helper.linux import netns
from tests.conntrack_flows import add, mixed
from tests.conntrack_tool import command, tool_in
from tests.throwaway import LinuxWhere, namespace

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes network namespaces"),
]
FULL = """
import json, socket, subprocess, sys
from contextlib import suppress
from node_helper import codec
from node_helper.facts import conntrack_stats
from node_helper.linux import Linux
from node_helper.stop import Stop

def told(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout

told("ip", "link", "set", "lo", "up")
told("iptables-legacy", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "INVALID")
told("sysctl", "-qw", "net.netfilter.nf_conntrack_buckets=512", "net.netfilter.nf_conntrack_max=50")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    for port in range(10_000, 10_200):
        with suppress(PermissionError):
            sender.sendto(b"x", ("127.0.0.1", port))
seen = codec.encode(conntrack_stats.collect(Linux(Stop(60)), conntrack_stats.Query()))
print(json.dumps([seen, told("conntrack", "-C"), told("conntrack", "-S")]))
"""
COUNTING = """\
table ip counting {
    chain sent { type nat hook postrouting priority srcnat
        udp dport 9 snat to 127.0.0.1:40000-40003
    }
}
"""


def test_count_and_counters_are_the_tools() -> None:
    """What moves has a value of its own, but for the failed insertions, each of which is a drop.

    Two stay zero: clash_resolve needs packets on two processors at once, chaintoolong colliding hashes.
    """
    with namespace() as made:
        subprocess.run(command(made, "nft", "-f", "-"), input=COUNTING, text=True, check=True)
        add(made, mixed(7))
        netns.inside(made, trouble)
        stats = conntrack_stats.collect(LinuxWhere(made), conntrack_stats.Query())
        run = tool_in(made)
        moved = same_counters(stats, run("-C"), run("-S"))
    assert set(moved) == {"found", "invalid", "insert", "insert_failed", "drop", "error"}
    assert len(set(moved.values())) == len(moved) - 1, moved


def test_counters_of_a_full_table_are_the_tools() -> None:
    """Its maximum is the whole kernel's: that of a guest. There early drops make room, and some packets find none."""
    ended = uml.prepare(print, ["nf_conntrack", "nf_conntrack_netlink", "xt_conntrack"]).python(FULL)
    assert ended.status == 0, ended.err
    ours, count, counters = json.loads(ended.out)
    moved = same_counters(codec.decode(conntrack_stats.ConntrackStats, ours), count, counters)
    assert set(moved) >= {"drop", "early_drop"}
    assert "insert_failed" not in moved


def same_counters(stats: conntrack_stats.ConntrackStats, count: str, counters: str) -> dict[str, int]:
    """What the tool says is what we say: of all processors together, the counters that are not zero."""
    said = [dict(pair.split("=") for pair in line.split()) for line in counters.splitlines()]
    assert (stats.in_use, stats.count) == (True, int(count))
    assert [{"cpu": str(c.cpu), **{name: str(n) for name, n in c.counters.items()}} for c in stats.cpus] == said
    sums = {name: sum(c.counters[name] for c in stats.cpus) for name in stats.cpus[0].counters}
    return {name: n for name, n in sums.items() if n}


def trouble() -> None:
    """Packets that are no part of a connection, one that is no ICMP, and more flows than there are ports for."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as tcp:
        for _ in range(5):
            tcp.sendto(struct.pack(">HHIIBBHHH", 1, 2, 0, 0, 0x50, 0x3F, 0, 0, 0), ("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
        icmp.sendto(struct.pack(">BBHI", 200, 0, 0xFFFF, 0), ("127.0.0.1", 0))
    with ExitStack() as opened:
        for _ in range(7):
            with suppress(PermissionError):  # the last three find no port
                opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).sendto(b"x", ("127.0.0.1", 9))
