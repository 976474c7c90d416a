"""A node shows another host key than before, as one that was reinstalled does, or somebody in between."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from deploy.lab import sshd

if TYPE_CHECKING:
    from deploy.lab.lab import Lab
    from deploy.lab.node import Node

NAME = "host-key-changed"
ASK = "pod {hello}"
FINDING = "unknown-node"


def inject(lab: Lab) -> Callable[[], object]:
    """Start sshd of the first node with a key that the lab's CA did not sign."""
    node = lab.nodes[lab.plans[0].name]
    before = node.path(sshd.HOST_KEY).read_text()
    sshd.stop(node)
    sshd.new_host_key(node)
    sshd.start(node)
    return partial(_mend, node, before)


def _mend(node: Node, key: str) -> None:
    sshd.stop(node)
    node.write(sshd.HOST_KEY, key, mode=0o600)
    sshd.start(node)
