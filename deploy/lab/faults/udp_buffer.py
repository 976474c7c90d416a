"""A process of a node's own reads its UDP socket not at all, while others keep sending to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "udp-buffer"
ASK = "node node-one"
FINDING = "udp-receive-buffer"
_LOG = "udp-buffer.log"
_PROGRAM = """
import socket, time
deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
deaf.bind(("127.0.0.1", 0))
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("ready", flush=True)
for _ in range(1200):
    talk.sendto(bytes(1000), deaf.getsockname())
    time.sleep(0.1)
"""


def inject(lab: Lab) -> Callable[[], object]:
    """Let one process of the first node be both."""
    node = lab.nodes["node-one"]
    return node.daemon(["/usr/bin/python3", "-ISc", _PROGRAM], _LOG, lambda: "ready" in node.log(_LOG))
