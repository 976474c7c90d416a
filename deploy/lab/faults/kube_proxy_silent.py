"""kube-proxy runs on a node and does not answer its health check any more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "kube-proxy-silent"
ASK = "node node-one"
FINDING = "proxy-down"
_PORT = "10256"


def inject(lab: Lab) -> Callable[[], object]:
    """End the process of the first node's kube-proxy that listens there."""
    pod = lab.find_pod("kube-proxy")
    lab.nodes[pod.node].run(["pkill", "--parent", str(pod.container_pid), "--full", _PORT])
    serve = ["httpd", "-p", _PORT, "-h", "/status/health"]
    return partial(lab.runtimes[pod.node].exec, pod, serve)
