"""Every DNS pod is stopped in the middle of its work: questions to it are never answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "dns-silent"
ASK = "pod {hello}"
FINDING = "dns-unreachable"


def inject(lab: Lab) -> Callable[[], object]:
    """Stop dnsmasq in each of them."""
    _signal(lab, "STOP")
    return partial(_signal, lab, "CONT")


def _signal(lab: Lab, name: str) -> None:
    for pod in lab.find_pods("kube-dns"):
        lab.nodes[pod.node].run(["pkill", f"-{name}", "--parent", str(pod.container_pid), "dnsmasq"])
