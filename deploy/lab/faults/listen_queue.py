"""A process of a node's own accepts nobody, while others keep connecting to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.lab.lab import Lab

NAME = "listen-queue"
ASK = "node node-one"
FINDING = "listen-queue-overflow"
_LOG = "listen-queue.log"
_PROGRAM = """
import contextlib, socket, time
server = socket.create_server(("127.0.0.1", 0), backlog=0)
print("ready", flush=True)
callers = []
for _ in range(1200):
    caller = socket.socket()
    caller.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        caller.connect(server.getsockname())
    callers = [*callers[-20:], caller]
    time.sleep(0.1)
"""


def inject(lab: Lab) -> Callable[[], object]:
    """Let one process of the first node be both."""
    node = lab.nodes["node-one"]
    return node.daemon(["/usr/bin/python3", "-ISc", _PROGRAM], _LOG, lambda: "ready" in node.log(_LOG))
