"""The cluster's DNS has lost what it knows the cluster's names from; whom it asks instead says SERVFAIL to everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from deploy.lab import dns
from deploy.lab.plan import GATEWAY

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "dns-servfail"
ASK = "dns kubernetes.default from {client}"
FINDING = "dns-servfail"
_PORT = 5353
_LOG = "servfail.log"
# RFC 1035, 4.1.1: the question's header and question, marked as an answer with response code 2.
_SERVER = f"""
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("{GATEWAY}", {_PORT}))
print("ready", flush=True)
while True:
    question, sender = server.recvfrom(4096)
    server.sendto(question[:2] + bytes((question[2] | 0x80, 0x82)) + question[4:], sender)
"""


def inject(lab: Lab) -> Callable[[], object]:
    """Let cluster names be asked for there."""
    python = ["/usr/bin/python3", "-ISc", _SERVER]
    stop = lab.fabric.daemon(python, _LOG, lambda: "ready" in lab.fabric.log(_LOG))
    for pod in lab.find_pods("kube-dns"):
        node = lab.nodes[pod.node]
        dns.serve(node, (), authority=f"{GATEWAY}#{_PORT}")
        dns.restart(node, pod)

    def mend() -> None:
        lab.apply()
        stop()

    return mend
