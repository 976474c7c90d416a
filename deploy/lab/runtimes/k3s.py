"""containerd where k3s and RKE2 have it."""

from __future__ import annotations

from deploy.lab.node import Node
from deploy.lab.plan import NodePlan
from deploy.lab.runtime import Runtime
from deploy.lab.runtimes import containerd

NAME = "k3s"
PACKAGES = None
_LAYOUT = containerd.Layout("/run/k3s/containerd/containerd.sock", "/run/k3s/containerd")


def start(node: Node, plan: NodePlan) -> Runtime:
    """As containerd starts."""
    return containerd.start(node, plan, _LAYOUT)
