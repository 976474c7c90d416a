"""Somebody, docker as a rule, has set the policy of FORWARD to DROP; a pod keeps talking to another node's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "forward-policy-drop"
ASK = "node node-one"
FINDING = "forward-policy-drop"
_TALK = """
import socket, time
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(1200):
    talk.sendto(b"anybody there?", ("{address}", 9))
    time.sleep(0.1)
"""


def inject(lab: Lab) -> Callable[[], object]:
    """Let the client talk from the first node to the second one, and drop that."""
    node, client = lab.nodes["node-one"], lab.find_pod("client")
    there = next(pod for pod in lab.find_pods("hello-world") if pod.node != client.node)
    enter = ["nsenter", f"--target={client.pid}", "--net"]
    python = ["/usr/bin/python3", "-ISc", _TALK.format(address=there.ips[0])]
    stop = node.daemon([*enter, *python], "talk.log", lambda: True)
    node.run(["iptables-nft", "-P", "FORWARD", "DROP"])

    def mend() -> None:
        node.run(["iptables-nft", "-P", "FORWARD", "ACCEPT"])
        stop()

    return mend
