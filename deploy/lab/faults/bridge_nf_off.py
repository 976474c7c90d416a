"""Packets between the pods of one bridge pass by the node's rules: services fail where client and endpoint are neighbours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "bridge-nf-off"
ASK = "node node-one"
FINDING = "bridge-nf-off"
_KEY = "net.bridge.bridge-nf-call-iptables"


def inject(lab: Lab) -> Callable[[], object]:
    """Switch it off on the first node."""
    node = lab.nodes["node-one"]
    node.sysctl({_KEY: 0})
    return partial(node.sysctl, {_KEY: 1})
