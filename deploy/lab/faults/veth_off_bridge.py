"""The host's end of a pod's veth is taken off the node's bridge."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "veth-off-bridge"
ASK = "pod {hello}"
FINDING = "veth-broken"


def inject(lab: Lab) -> Callable[[], object]:
    """Break the first hello-world pod."""
    pod = lab.find_pod("hello-world")
    node = lab.nodes[pod.node]
    node.ip(f"link set {pod.host_veth} nomaster")
    return partial(node.ip, f"link set {pod.host_veth} master cni0", f"link set {pod.host_veth} type bridge_slave hairpin on")
