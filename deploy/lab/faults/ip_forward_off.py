"""A node does not forward packets any more: its pods reach nobody but their neighbours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "ip-forward-off"
ASK = "node node-one"
FINDING = "ip-forward-off"
_KEY = "net.ipv4.ip_forward"


def inject(lab: Lab) -> Callable[[], object]:
    """Switch it off on the first node."""
    node = lab.nodes["node-one"]
    node.sysctl({_KEY: 0})
    return partial(node.sysctl, {_KEY: 1})
