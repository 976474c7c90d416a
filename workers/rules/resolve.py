"""Where a node's rules send the traffic to an address and port of a service, found by the address alone.

Destination NAT comes first; what it leaves alone may be refused by the filter (pkg/proxy of Kubernetes, both README files).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from node_helper.netfilter.records import Ruleset, Table
from workers.rules.affinity import Check, affinity
from workers.rules.chains import Chains
from workers.rules.hooks import Hooks
from workers.rules.steps import Packet, Source
from workers.rules.walk import Walked, walk

NFT_TABLE = "kube-proxy"
_NAT = ("KUBE-SERVICES",)
_FILTER = ("KUBE-PROXY-FIREWALL", "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES")
_NFT_NAT = ("services",)
_NFT_FILTER = ("service-endpoints-check", "nodeport-endpoints-check")
_NFT_BEFORE = ("firewall-check",)
_CERTAIN = 1e-6


@dataclass(frozen=True)
class Frontend:
    """An address of a service: `address` is "" for node ports; `protocol` in lower case; `family` "ip" or "ip6"."""

    family: str
    address: str
    port: int
    protocol: str

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address or "node"
        return f"{host}:{self.port}/{self.protocol}"


@dataclass(frozen=True)
class Share:
    """An endpoint as "10.244.1.4:8080", and the chance of a new connection to go there."""

    endpoint: str
    share: float


@dataclass(frozen=True)
class Path:
    """Where a new connection of one source goes. `outcome`: endpoints, reject, drop, nothing (no rule is about it), unknown.

    `sticky_s` is the time for which a client stays with its endpoint, `unsteady` why none does although rules try; `admitted` the
    networks that a firewall lets in (none: all); `via` the chains on the way; `unread` what was not understood there; `unhooked`
    why packets come to no rules (nothing); `only_to` the addresses of the node that take a node port (none: all).
    """

    outcome: str
    endpoints: tuple[Share, ...] = ()
    masqueraded: bool = False
    sticky_s: int | None = None
    admitted: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unhooked: tuple[str, ...] = ()
    unsteady: tuple[str, ...] = ()
    only_to: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The endpoints, sorted."""
        return tuple(sorted(share.endpoint for share in self.endpoints))


@dataclass(frozen=True)
class Route:
    """One frontend in one backend, by where the connection comes from."""

    frontend: Frontend
    backend: str
    paths: dict[Source, Path]


class Rules:
    """The rules of one backend on one node, to be asked about frontends."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self.backend = ruleset.backend

    @cached_property
    def _wanted(self) -> list[Table]:
        return [t for t in self.ruleset.tables if self.backend != "nftables" or t.name == NFT_TABLE]

    @cached_property
    def _tables(self) -> dict[tuple[str, str], Chains]:
        return {(t.family, t.name): Chains(t, self.backend, partial=self.ruleset.partial) for t in self._wanted}

    @cached_property
    def _hooks(self) -> dict[tuple[str, str], Hooks]:
        return {(t.family, t.name): Hooks(t, native=self.backend == "nftables") for t in self._wanted}

    def chains(self, family: str, table: str) -> Chains | None:
        """The chains of a table, None where there is none."""
        return self._tables.get((family, table))

    def tables(self) -> tuple[Table, ...]:
        """What was read."""
        return self.ruleset.tables

    def in_use(self, family: str) -> bool:
        """Whether this backend holds rules for services of a family."""
        if self.backend == "nftables":
            return (family, NFT_TABLE) in self._tables
        nat = self.chains(family, "nat")
        return nat is not None and "KUBE-SERVICES" in nat and bool(nat.rules("KUBE-SERVICES"))

    def route(self, frontend: Frontend) -> Route:
        """Where each source's connections to a frontend go."""
        return Route(frontend, self.backend, {source: self._path(frontend, source) for source in Source})

    def _path(self, frontend: Frontend, source: Source) -> Path:
        packet = Packet(frontend.address, frontend.port, frontend.protocol, source)
        places = [(table, chain) for table, chain in self._order() if self._has(frontend.family, table, chain)]
        gaps = [self._hooks[frontend.family, table].gap(chain, source) for table, chain in places]
        hooked = [place for place, gap in zip(places, gaps, strict=True) if not gap]
        path = _path([walk(self._tables[frontend.family, table], chain, packet) for table, chain in hooked])
        return replace(path, unhooked=tuple(dict.fromkeys(filter(None, gaps)))) if path.outcome == "nothing" else path

    def _order(self) -> Sequence[tuple[str, str]]:
        if self.backend == "nftables":
            return [(NFT_TABLE, chain) for chain in (*_NFT_BEFORE, *_NFT_NAT, *_NFT_FILTER)]
        return [*(("nat", chain) for chain in _NAT), *(("filter", chain) for chain in _FILTER)]

    def _has(self, family: str, table: str, chain: str) -> bool:
        chains = self.chains(family, table)
        return chains is not None and chain in chains


def _path(ways: Sequence[Walked]) -> Path:
    """Several walks one after the other: what one sends or refuses does not come to the next."""
    left, endpoints, refused = 1.0, dict[str, float](), dict[str, float]()
    masqueraded, via, unread, admitted = False, list[str](), dict[str, None](), dict[str, None]()
    checks, records, only_to = dict[str, Check](), dict[str, frozenset[str]](), dict[str, None]()
    for way in ways:
        for found, into in ((way.endpoints, endpoints), (way.refused, refused)):
            for key, share in found.items():
                into[key] = into.get(key, 0.0) + share * left
        if way.endpoints or way.refused or way.unread:
            via += way.via
        unread.update(way.unread)
        masqueraded |= way.masqueraded
        checks.update(way.checks)
        records.update(way.records)
        admitted.update(way.admitted)
        only_to.update(way.only_to if way.endpoints or way.refused else ())
        left *= way.passed
        if left < _CERTAIN:
            break
    shares = tuple(Share(endpoint, share) for endpoint, share in endpoints.items())
    sticky, unsteady = affinity(endpoints, checks, records)
    outcome = _outcome(endpoints, refused, unread)
    return Path(outcome, shares, masqueraded, sticky, tuple(admitted), tuple(via), tuple(unread), (), unsteady, tuple(only_to))


def _outcome(endpoints: dict[str, float], refused: dict[str, float], unread: dict[str, None]) -> str:
    if unread:
        return "unknown"
    if endpoints:
        return "endpoints"
    return max(refused, key=lambda how: refused[how]) if refused else "nothing"
