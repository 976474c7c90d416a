"""A rule drops DNS over UDP of a node's pods, and lets TCP pass: as a network policy does that allows TCP 53 alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "dns-udp-blocked"
ASK = "dns hello-world from {client}"
FINDING = "dns-unreachable"
_TABLE = "lab-dns-udp"
_RULE = f"table inet {_TABLE} {{ chain in {{ type filter hook prerouting priority -310; udp dport 53 drop; }}; }}"


def inject(lab: Lab) -> Callable[[], object]:
    """Add the rule on the first node, before all others and in a table of its own."""
    node = lab.nodes[lab.find_pod("client").node]
    node.run(["nft", "-f", "-"], stdin=_RULE)
    return partial(node.run, ["nft", "delete", "table", "inet", _TABLE])
