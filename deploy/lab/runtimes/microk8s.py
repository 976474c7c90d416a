"""containerd where MicroK8s has it."""

from __future__ import annotations

from deploy.lab.node import Node
from deploy.lab.plan import NodePlan
from deploy.lab.runtime import Runtime
from deploy.lab.runtimes import containerd

NAME = "microk8s"
PACKAGES = None
_LAYOUT = containerd.Layout("/var/snap/microk8s/common/run/containerd.sock", "/var/snap/microk8s/common/run/containerd")


def start(node: Node, plan: NodePlan) -> Runtime:
    """As containerd starts."""
    return containerd.start(node, plan, _LAYOUT)
