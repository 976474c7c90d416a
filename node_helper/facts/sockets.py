"""The TCP and UDP sockets of a namespace: what listens there, and to whom it is connected."""

from __future__ import annotations

from dataclasses import dataclass

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import Fact
from node_helper.records import Socket

_WAITING = frozenset({"LISTEN", "UNCONN"})


@dataclass(frozen=True)
class Query:
    """Which namespace; `waiting`: a server may have hundreds of thousands of connections, and of TCP only listeners are meant."""

    netns: Netns
    waiting: bool = False


@dataclass(frozen=True)
class Sockets:
    """Those that wait for others (LISTEN, UNCONN) come first, each half by protocol, address and port.

    Where only listeners of TCP were meant, one other of each family shows that there are connections.
    """

    sockets: tuple[Socket, ...]


def collect(kernel: Kernel, query: Query) -> Sockets:
    """Read the kernel's four tables."""
    return Sockets(tuple(sorted(kernel.sockets(query.netns, waiting=query.waiting), key=_order)))


def _order(socket: Socket) -> tuple[bool, str, str, int, str, int]:
    elsewhere = socket.state not in _WAITING
    return elsewhere, socket.protocol, socket.local, socket.local_port, socket.remote, socket.remote_port


FACT = Fact(name="sockets", query=Query, answer=Sockets, collect=collect)
