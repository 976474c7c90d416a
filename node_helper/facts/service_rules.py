"""What one backend's rules do with some destinations: the chains that catch them, those they lead to, and the hooks' way there.

The cost does not grow with the table, but for the chain that lists every service (looked through without decoding it) and for
legacy tables, which the kernel hands out whole and which are kept for a moment.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from node_helper.kernel import Kernel
from node_helper.netfilter.records import Destination, Ruleset, Wanted
from node_helper.protocol import Fact

_MOST = 512
_CHAINS = {
    "nat": ("KUBE-SERVICES", "KUBE-NODEPORTS"),
    "filter": ("KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"),
    "kube-proxy": ("services", "service-endpoints-check", "nodeport-endpoints-check", "firewall-check"),
}

_BASES = {"nat": ("PREROUTING", "OUTPUT"), "kube-proxy": ("nat-prerouting", "nat-output")}
"""Those on whose hooks services are rewritten; a firewall's reload leaves chains behind to which they do not lead any more."""


@dataclass(frozen=True)
class Query:
    """Which backend and family, and which destinations."""

    backend: Literal["iptables-nft", "iptables-legacy", "nftables"]
    family: Literal["ip", "ip6"]
    only: tuple[Destination, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.only) <= _MOST:
            raise ValueError(f"{len(self.only)} destinations, where 1 to {_MOST} belong")
        for one in self.only:
            if one.address and str(ipaddress.ip_address(one.address)) != one.address:
                raise ValueError(f"{one.address} is not as addresses are written")
            if not 0 < one.port < 1 << 16 or one.protocol not in ("tcp", "udp", "sctp"):
                raise ValueError(f"no port of a service: {one.port}/{one.protocol[:20]}")


def collect(kernel: Kernel, query: Query) -> Ruleset:
    """The tables that exist, each with the part that is about the destinations."""
    names = ("kube-proxy",) if query.backend == "nftables" else ("nat", "filter")
    asked = [Wanted(query.backend, query.family, name, _CHAINS[name], query.only, _BASES.get(name, ())) for name in names]
    found = [kernel.filter_rules(kernel.own_netns(), wanted) for wanted in asked]
    return Ruleset(query.backend, tuple(table for table in found if table is not None), partial=True)


FACT = Fact(name="service_rules", query=Query, answer=Ruleset, collect=collect)
