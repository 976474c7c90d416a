"""A and AAAA asked from one UDP socket at once, as the C library's getaddrinfo asks (glibc, resolv/res_send.c).

Two packets of one flow that is new to conntrack can race in the kernel, which drops one of them: the two have to be asked so,
and the node's counters of what conntrack could not insert and dropped read before and after.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Optional

from node_helper.dns import message
from node_helper.facts import conntrack_stats, dns
from node_helper.kernel import Kernel, Netns
from node_helper.protocol import CannotLook, Fact
from node_helper.records import Datagram


@dataclass(frozen=True)
class Query:
    """As `dns.Query`; `seconds` bounds the wait for both answers."""

    netns: Netns
    server: str
    name: str
    seconds: float = 2.0
    port: int = 53

    def __post_init__(self) -> None:
        dns.Query(self.netns, self.server, self.name, seconds=self.seconds, port=self.port)


@dataclass(frozen=True)
class DnsPair:
    """How each of the two was answered. A truncated answer stays so: nothing is asked again.

    `insert_failed` and `drop` are by how much the node's counters of these names grew meanwhile, whoever's packets that were;
    None where they could not be read.
    """

    a: dns.DnsAnswer
    aaaa: dns.DnsAnswer
    insert_failed: Optional[int] = None
    drop: Optional[int] = None


def collect(kernel: Kernel, query: Query) -> DnsPair:
    """Ask both, and wait until both are answered."""
    first = int.from_bytes(os.urandom(2), "big")
    asked = [message.question(number, query.name, kind) for number, kind in ((first, "A"), (first ^ 1, "AAAA"))]
    requests = tuple(Datagram(query.server, query.port, "udp", payload, query.seconds) for payload in asked)
    before = _counters(kernel)
    replies = kernel.exchange_together(query.netns, requests)
    after = _counters(kernel)
    a, aaaa = (dns.read(each, reply, "udp") for each, reply in zip(asked, replies))
    grown = {name: after[name] - before[name] for name in before if name in after}
    return DnsPair(a, aaaa, grown.get("insert_failed"), grown.get("drop"))


def _counters(kernel: Kernel) -> dict[str, int]:
    """Sums over the processors; empty where they cannot be read, which takes nothing from the answers."""
    try:
        cpus = conntrack_stats.collect(kernel, conntrack_stats.Query()).cpus
    except CannotLook as cannot:
        if cannot.kind in ("cancelled", "timeout"):
            raise
        return {}
    return {name: sum(cpu.counters.get(name, 0) for cpu in cpus) for name in ("insert_failed", "drop") if cpus}


FACT = Fact(name="dns_pair", query=Query, answer=DnsPair, collect=collect)
