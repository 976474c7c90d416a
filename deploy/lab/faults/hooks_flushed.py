"""A firewall's reload has taken the jump to kube-proxy's chains off its hook; the chains themselves are as they were."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "hooks-flushed"
ASK = "rules hello-world on node-one"
FINDING = "service-rules-drift"
_JUMP = ["PREROUTING", "-m", "comment", "--comment", "kubernetes service portals", "-j", "KUBE-SERVICES"]


def inject(lab: Lab) -> Callable[[], object]:
    """Delete the rule of PREROUTING on the first node."""
    node = lab.nodes["node-one"]
    node.run(["iptables-nft", "-t", "nat", "-D", *_JUMP])
    return partial(node.run, ["iptables-nft", "-t", "nat", "-A", *_JUMP])
