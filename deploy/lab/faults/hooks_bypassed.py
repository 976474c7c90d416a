"""Somebody's rule takes every packet before the jump to kube-proxy's chains, which are all there and on their hook."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "hooks-bypassed"
ASK = "rules hello-world on node-one"
FINDING = "service-rules-drift"
_RULE = ["PREROUTING", "-j", "ACCEPT"]


def inject(lab: Lab) -> Callable[[], object]:
    """Put the rule before all others of PREROUTING on the first node."""
    node = lab.nodes["node-one"]
    node.run(["iptables-nft", "-t", "nat", "-I", *_RULE])
    return partial(node.run, ["iptables-nft", "-t", "nat", "-D", *_RULE])
