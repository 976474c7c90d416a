"""A node's sshd is not there, and with it every session on the node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from deploy.lab import sshd

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "sshd-gone"
ASK = "pod {hello}"
FINDING = "unknown-node"


def inject(lab: Lab) -> Callable[[], object]:
    """Kill that of the first node."""
    node = lab.nodes[lab.plans[0].name]
    sshd.stop(node)
    return partial(sshd.start, node)
