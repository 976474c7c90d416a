"""One DNS pod of the two is stopped in the middle of its work: some questions to the service are never answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "dns-one-replica"
ASK = "dns hello-world from {client}"
FINDING = "dns-one-replica-broken"


def inject(lab: Lab) -> Callable[[], object]:
    """Stop dnsmasq on the last node."""
    _signal(lab, "STOP")
    return partial(_signal, lab, "CONT")


def _signal(lab: Lab, name: str) -> None:
    pod = lab.find_pods("kube-dns")[-1]
    lab.nodes[pod.node].run(["pkill", f"-{name}", "--parent", str(pod.container_pid), "dnsmasq"])
