"""One DNS question to one server from inside a namespace, and the answer.

A truncated answer is asked for again over TCP (RFC 7766 5), one that a server from before EDNS could not make, without EDNS.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, replace
from typing import Optional

from node_helper.dns import message
from node_helper.dns.names import Malformed
from node_helper.kernel import Kernel, Netns
from node_helper.protocol import Fact
from node_helper.records import Datagram, Reply

_LARGEST_PORT = 65535
_LONGEST = 30.0  # seconds
_UNREAD = ("FORMERR", "NOTIMP")  # what a server says to EDNS that it does not know (RFC 6891 7)


@dataclass(frozen=True)
class Query:
    """`name` is absolute, with or without its dot: no search path is applied. `seconds` bounds each transport's attempt.

    Without `edns` it is asked as C libraries ask by themselves; some firewalls drop the rest.
    """

    netns: Netns
    server: str
    name: str
    type: str = "A"
    transport: str = "udp"
    seconds: float = 2.0
    port: int = 53
    edns: bool = True

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.server)
        message.question(0, self.name, self.type)
        if self.transport not in ("udp", "tcp"):
            raise ValueError(f"transport {self.transport!r} is neither udp nor tcp")
        if not (0 < self.seconds <= _LONGEST and 1 <= self.port <= _LARGEST_PORT):
            raise ValueError(f"wait at most {_LONGEST:g} s, and ask a port between 1 and 65535")


@dataclass(frozen=True)
class Record:
    """One record of the answer section, as dig prints it: names end in a dot, texts are quoted, unknown types are RFC 3597's."""

    name: str
    type: str
    ttl: int
    data: str


@dataclass(frozen=True)
class DnsAnswer:
    """`outcome`: answered, timeout, refused (nobody listens there), reset (somebody does, and hung up), unreachable or malformed.

    `transport` is "tcp" for a UDP question whose answer was truncated: outcome and records are then TCP's. `truncated` is that of
    the last message that came. `size` is in bytes, `seconds` includes all attempts. Records are hostile text.
    `edns` is the largest UDP answer in bytes that the server takes; None where it says nothing of EDNS (RFC 6891).
    `recurses`: the server asks others for its clients (ra); `authentic`: it says that it verified the answer (ad).
    """

    outcome: str
    seconds: float
    rcode: str = ""
    truncated: bool = False
    authoritative: bool = False
    records: tuple[Record, ...] = ()
    size: int = 0
    transport: str = "udp"
    edns: Optional[int] = None
    recurses: bool = False
    authentic: bool = False


def collect(kernel: Kernel, query: Query) -> DnsAnswer:
    """Ask once; again where the answer says that it has to be asked otherwise."""
    first = _ask(kernel, query, query.transport, edns=query.edns)
    edns = query.edns and (first.rcode not in _UNREAD or first.edns is not None)
    if query.edns and not edns:
        first = _after(first, _ask(kernel, query, query.transport, edns=False))
    if not first.truncated or query.transport == "tcp":
        return first
    second = _after(first, _ask(kernel, query, "tcp", edns=edns))
    if second.outcome == "answered":
        return second
    return replace(second, rcode=first.rcode, truncated=True, authoritative=first.authoritative)


def _after(first: DnsAnswer, second: DnsAnswer) -> DnsAnswer:
    return replace(second, seconds=first.seconds + second.seconds)


def _ask(kernel: Kernel, query: Query, transport: str, *, edns: bool) -> DnsAnswer:
    asked = message.question(int.from_bytes(os.urandom(2), "big"), query.name, query.type, edns=edns)
    reply = kernel.exchange(query.netns, Datagram(query.server, query.port, transport, asked, query.seconds))
    return read(asked, reply, transport)


def read(asked: bytes, reply: Reply, transport: str) -> DnsAnswer:
    """What came back to a question, or how nothing did."""
    if reply.outcome != "answered":
        return DnsAnswer(reply.outcome, reply.seconds, transport=transport)
    size = len(reply.payload)
    try:
        if not message.answers(asked, reply.payload):
            return DnsAnswer("malformed", reply.seconds, size=size, transport=transport)
        said = message.parse(reply.payload)
    except Malformed:
        return DnsAnswer("malformed", reply.seconds, size=size, transport=transport)
    return DnsAnswer(
        outcome="answered",
        seconds=reply.seconds,
        rcode=said.rcode,
        truncated=said.truncated,
        authoritative=said.authoritative,
        records=tuple(Record(*record) for record in said.records),
        size=size,
        transport=transport,
        edns=said.edns,
        recurses=said.recurses,
        authentic=said.authentic,
    )


FACT = Fact(name="dns", query=Query, answer=DnsAnswer, collect=collect)
