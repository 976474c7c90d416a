"""containerd where k0s has it."""

from __future__ import annotations

from deploy.lab.node import Node
from deploy.lab.plan import NodePlan
from deploy.lab.runtime import Runtime
from deploy.lab.runtimes import containerd

NAME = "k0s"
PACKAGES = None
_LAYOUT = containerd.Layout("/run/k0s/containerd.sock", "/run/k0s/containerd")


def start(node: Node, plan: NodePlan) -> Runtime:
    """As containerd starts."""
    return containerd.start(node, plan, _LAYOUT)
