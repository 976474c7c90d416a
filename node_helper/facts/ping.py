"""ICMP and ICMPv6 echo from inside a namespace, one row a request."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Iterator

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import RowFact

_MOST = 100
_SHORTEST, _LONGEST = 0.01, 10.0  # seconds


@dataclass(frozen=True)
class Query:
    """`count` requests, `interval` seconds from the end of one to the start of the next, each waiting `seconds` for its reply."""

    netns: Netns
    address: str
    count: int = 3
    interval: float = 0.2
    seconds: float = 1.0

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.address)
        if not 1 <= self.count <= _MOST:
            raise ValueError(f"count {self.count} is not between 1 and {_MOST}")
        if not (_SHORTEST <= self.interval <= _LONGEST and 0 < self.seconds <= _LONGEST):
            raise ValueError(f"interval must be {_SHORTEST:g} to {_LONGEST:g} s and the wait at most {_LONGEST:g} s")


@dataclass(frozen=True)
class Echo:
    """`outcome` is answered, timeout or unreachable; `sender` is who answered or who said that it cannot be reached."""

    sequence: int
    outcome: str
    seconds: float
    sender: str = ""


def rows(kernel: Kernel, query: Query) -> Iterator[Echo]:
    """Ask, tell, wait, ask again."""
    for sequence in range(1, query.count + 1):
        if sequence > 1:
            kernel.pause(query.interval)
        reply = kernel.echo(query.netns, query.address, sequence, query.seconds)
        yield Echo(sequence, reply.outcome, reply.seconds, reply.sender)


FACT = RowFact(name="ping", query=Query, answer=Echo, rows=rows)
