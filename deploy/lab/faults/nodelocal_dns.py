"""A pod is told to ask its node's DNS cache, and no such cache runs on the node."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "nodelocal-dns"
ASK = "dns hello-world from {client}"
FINDING = "nodelocal-dns-broken"
_CACHE = "169.254.20.10"  # kubernetes.io, NodeLocal DNSCache


def inject(lab: Lab) -> Callable[[], object]:
    """Change the nameserver in the pod's resolv.conf, as the kubelet's --cluster-dns would."""
    pod = lab.find_pod("client")
    file = lab.nodes[pod.node].path(f"/proc/{pod.container_pid}/root/etc/resolv.conf")
    before = file.read_text(encoding="ascii")
    file.write_text(before.replace(f"nameserver {pod.spec.nameservers[0]}", f"nameserver {_CACHE}"), encoding="ascii")
    return partial(file.write_text, before, encoding="ascii")
