"""A node drops what comes in by a device that does not lead back to the sender, and such packets come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "reverse-path"
ASK = "node node-one"
FINDING = "rp-filter-drop"
_ELSEWHERE = "198.51.100.77"  # TEST-NET-2; the node would answer it by its uplink
_TALK = """
import socket, time
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
talk.bind(("{source}", 0))
for _ in range(1200):
    talk.sendto(b"from elsewhere", ("{node}", 9))
    time.sleep(0.1)
"""


def inject(lab: Lab) -> Callable[[], object]:
    """Let the client of the first node speak with an address that is not its own, and let the node be strict."""
    client = lab.find_pod("client")
    node = lab.nodes[client.node]
    enter = ["nsenter", f"--target={client.pid}", "--net"]

    def address(verb: str) -> None:
        node.run([*enter, "ip", "address", verb, f"{_ELSEWHERE}/32", "dev", "lo"])

    def strict(value: int) -> None:
        node.sysctl({"net.ipv4.conf.cni0.rp_filter": value})
        # The same filter would refuse to answer ARP for that address: let the pod ask for its own.
        node.run([*enter, "sysctl", "--quiet", "--write", f"net.ipv4.conf.eth0.arp_announce={2 * value}"])

    address("add")
    strict(1)
    plan = next(plan for plan in lab.plans if plan.name == client.node)
    python = ["/usr/bin/python3", "-ISc", _TALK.format(source=_ELSEWHERE, node=plan.address)]
    stop = node.daemon([*enter, *python], "elsewhere.log", lambda: True)

    def mend() -> None:
        stop()
        strict(0)
        address("del")

    return mend
