"""The one flow whose first packet went from here to there, as the node's conntrack table has it."""

from __future__ import annotations

import errno
import ipaddress
from contextlib import closing
from dataclasses import dataclass
from typing import Optional

from node_helper.conntrack import asking, matching, names
from node_helper.conntrack.flow import Flow, flow
from node_helper.conntrack.reading import Reader, Refused
from node_helper.kernel import Kernel
from node_helper.protocol import Fact


@dataclass(frozen=True)
class Query:
    """The first packet, before translation; `protocol` is one with ports."""

    src: str
    dst: str
    protocol: str
    sport: int
    dport: int

    def __post_init__(self) -> None:
        if ipaddress.ip_address(self.src).version != ipaddress.ip_address(self.dst).version:
            raise ValueError(f"{self.src} and {self.dst} are not of one family")
        if names.number(self.protocol) not in names.WITH_PORTS:
            raise ValueError(f"{self.protocol[:40]!r} has no ports")
        if not all(0 <= port < 1 << 16 for port in (self.sport, self.dport)):
            raise ValueError(f"{self.sport} or {self.dport} is no port")


@dataclass(frozen=True)
class Entry:
    """The flow, None where the table has none."""

    flow: Optional[Flow]


def collect(kernel: Kernel, query: Query) -> Entry:
    """Look it up as the kernel would for a packet (nf_conntrack_find_get): one hash, at any size of the table."""
    asking.require(kernel)
    body = matching.exactly(query.src, query.dst, names.number(query.protocol), query.sport, query.dport)
    reader = Reader()
    with asking.translated(), closing(kernel.conntrack(kernel.own_netns(), asking.GET, body, dump=False)) as answer:  # type: ignore[type-var]  # a generator
        try:
            return Entry(next((flow(layout, values) for layout, values in reader.read(next(answer))), None))
        except Refused as e:
            if e.code != errno.ENOENT:
                raise
            return Entry(None)


FACT = Fact(name="conntrack_entry", query=Query, answer=Entry, collect=collect)
