"""The queries that `dns` says a name costs are those that the C library sends from that pod for it."""

from __future__ import annotations

import json

import pytest

from deploy.lab.lab import Lab
from deploy.lab.node import Node
from tests.faults.asking import check

pytestmark = pytest.mark.live
RESOLV_CONF = "/run/resolv.conf-of-a-pod"
TABLE = "counted"
CHAIN = "type filter hook output priority 0; udp dport 53 counter;"
# As getaddrinfo is called by nearly every program; whether the name is found does not matter here.
RESOLVE = """
import socket, sys
try:
    socket.getaddrinfo(sys.argv[1], 80, type=socket.SOCK_STREAM)
except socket.gaierror:
    pass
"""


def sent(lab: Lab, name: str) -> int:
    """How many DNS packets leave the client pod's namespace while the C library resolves a name with the pod's resolv.conf."""
    pod = lab.pods["default/client"]
    node = lab.nodes[pod.node]
    node.write(RESOLV_CONF, node.path(f"/proc/{pod.container_pid}/root/etc/resolv.conf").read_text(encoding="ascii"))
    enter = ["nsenter", "--target", str(pod.pid), "--net", "--"]
    node.run([*enter, "nft", f"table inet {TABLE} {{ chain out {{ {CHAIN} }}; }}"])
    try:
        script = f'mount --bind {RESOLV_CONF} /etc/resolv.conf && exec python3 -ISc "$0" "$1"'
        node.run([*enter, "unshare", "--mount", "sh", "-c", script, RESOLVE, name])
        return _counted(node, enter)
    finally:
        node.run([*enter, "nft", f"delete table inet {TABLE}"])


def _counted(node: Node, enter: list[str]) -> int:
    told = json.loads(node.run([*enter, "nft", "-j", "list", "table", "inet", TABLE]).stdout)["nftables"]
    (rule,) = (item["rule"] for item in told if "rule" in item)
    return next(int(part["counter"]["packets"]) for part in rule["expr"] if "counter" in part)


@pytest.mark.parametrize(
    ("name", "queries"),
    [
        ("hello-world", 2),
        ("hello-world.default", 4),
        ("hello-world.default.svc.cluster.local", 8),
        ("hello-world.default.svc.cluster.local.", 2),
        ("kubernetes", 2),  # has no AAAA record
        ("example.com", 8),
        ("example.com.", 2),
        ("no.such.name", 8),
    ],
)
def test_a_name_costs_as_many_queries_as_are_sent(lab: Lab, name: str, queries: int) -> None:
    assert check(lab, f"dns {name} from client")["facts"]["queries"] == queries
    assert sent(lab, name) == queries
