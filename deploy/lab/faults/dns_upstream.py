"""Whom the cluster's DNS asks for the world's names is silent: names of the cluster are answered, no others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "dns-upstream"
ASK = "dns example.com. from {client}"
FINDING = "dns-upstream-broken"
_TABLE = "lab-dns-upstream"
_CHAIN = "type filter hook input priority 0; meta l4proto { tcp, udp } th dport 53 drop;"
_RULE = f"table inet {_TABLE} {{ chain in {{ {_CHAIN} }}; }}"


def inject(lab: Lab) -> Callable[[], object]:
    """Drop what comes to the resolver on the fabric."""
    lab.fabric.run(["nft", "-f", "-"], stdin=_RULE)
    return partial(lab.fabric.run, ["nft", "delete", "table", "inet", _TABLE])
