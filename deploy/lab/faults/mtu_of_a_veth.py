"""A pod was made when the CNI had another MTU: packets that its neighbours send are too long for its port of the bridge."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "mtu-of-a-veth"
ASK = "node node-one"
FINDING = "mtu-mismatch"
_USUAL, _OLD = 1500, 1400


def inject(lab: Lab) -> Callable[[], object]:
    """Narrow the host's end of the first hello-world pod's veth."""
    pod = lab.find_pod("hello-world")
    _set(lab, pod.node, pod.host_veth, _OLD)
    return partial(_set, lab, pod.node, pod.host_veth, _USUAL)


def _set(lab: Lab, node: str, device: str, mtu: int) -> None:
    lab.nodes[node].ip(f"link set {device} mtu {mtu}")
