"""Somebody has put kube-proxy's table to sleep: its rules are all there, and the kernel has taken them off their hooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "table-dormant"
ASK = "rules hello-world on node-two"
FINDING = "service-rules-drift"
_TABLE = "add table ip kube-proxy"


def inject(lab: Lab) -> Callable[[], object]:
    """On the second node; added again without the flag, the table wakes up (nft(8), TABLES)."""
    node = lab.nodes["node-two"]
    node.run(["nft", _TABLE + " { flags dormant; }"])
    return partial(node.run, ["nft", _TABLE])
