"""Whether a TCP handshake from inside a namespace succeeds, and how it fails."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import Fact

_LARGEST_PORT = 65535
_LONGEST = 30.0  # seconds


@dataclass(frozen=True)
class Query:
    """From where to which address and port, waiting at most `seconds`."""

    netns: Netns
    address: str
    port: int
    seconds: float = 2.0

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.address)
        if not 1 <= self.port <= _LARGEST_PORT:
            raise ValueError(f"port {self.port} is not between 1 and 65535")
        if not 0 < self.seconds <= _LONGEST:
            raise ValueError(f"{self.seconds} s is not between 0 and {_LONGEST:g}")


@dataclass(frozen=True)
class Connected:
    """`outcome` is answered, timeout, refused, unreachable, reset or no-port (no local one is free), after `seconds`.

    `taken_by` is "" where the address itself answered, or somebody in another namespace for it; else the socket of this namespace
    to which rules redirect what is sent (a service mesh's sidecar): whether the address would answer was not seen.
    """

    outcome: str
    seconds: float
    taken_by: str = ""


def collect(kernel: Kernel, query: Query) -> Connected:
    """Shake hands once and hang up."""
    reply = kernel.connect(query.netns, query.address, query.port, query.seconds)
    return Connected(reply.outcome, reply.seconds, reply.taken_by)


FACT = Fact(name="connect", query=Query, answer=Connected, collect=collect)
