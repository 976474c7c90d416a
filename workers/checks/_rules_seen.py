"""What `rules`, `iptables` and `nftables` saw: the backends of each node, and of those in use what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from node_helper.facts import backends, dataplane, ipvs, rules_text
from node_helper.netfilter.records import Destination, FilterTable, Ruleset
from node_helper.protocol import CannotLook
from workers.checks._ipvs_seen import OnNode
from workers.objects import Service
from workers.params import Arg, NodeTarget, ServiceOrNodeTarget
from workers.rules.desired import frontends
from workers.rules.names import RuleName
from workers.rules.resolve import Frontend

IpFamily = Literal["ip", "ip6"]
Place = tuple[str, str, str]
"""Node, backend, family."""
FAMILIES: tuple[IpFamily, ...] = ("ip", "ip6")
IPTABLES: tuple[str, ...] = ("iptables-nft", "iptables-legacy")
NFTABLES: tuple[str, ...] = ("nftables",)
EVERY: tuple[str, ...] = (*IPTABLES, *NFTABLES)


@dataclass(frozen=True)
class Params:
    """A service or a node, and perhaps one table or chain of it."""

    target: Annotated[ServiceOrNodeTarget, Arg("a service, or a node for all that it holds")]
    node: Annotated[NodeTarget | None, Arg("only on this node", word="on")] = None
    table: Annotated[RuleName | None, Arg("only this table, such as nat")] = None
    chain: Annotated[RuleName | None, Arg("this chain and those it leads to")] = None


@dataclass(frozen=True)
class Seen:
    """The answers by place: `found` about a service, `chains` with the chain that was named, `texts` for all of a node."""

    service: Service | None
    nodes: tuple[str, ...]
    backends: dict[str, backends.Backends | CannotLook]
    found: dict[Place, Ruleset | CannotLook] = field(default_factory=dict)
    chains: dict[Place, Ruleset | CannotLook] = field(default_factory=dict)
    texts: dict[Place, rules_text.Text | CannotLook] = field(default_factory=dict)
    programs: dict[str, dataplane.Programs | CannotLook] = field(default_factory=dict)
    """By node: what else may handle services, where no rules do."""
    near: tuple[str, ...] = ()
    """Names like that of a chain that is nowhere."""
    in_ipvs: dict[str, OnNode] = field(default_factory=dict)
    """By node: the virtual servers of the service, where there are some of whomever and no rules send it anywhere."""
    of: tuple[str, ...] = EVERY
    """The backends that the command is about."""
    elsewhere: tuple[Place, ...] = ()
    """Where other backends hold what none of these does."""
    saved: bool = False
    """Whether files answer for the nodes."""

    @property
    def answers(self) -> tuple[tuple[Place, Ruleset | rules_text.Text | CannotLook], ...]:
        """All of them."""
        return (*self.found.items(), *self.chains.items(), *self.texts.items())

    @property
    def looked(self) -> tuple[str, ...]:
        """The nodes that told their tables."""
        return tuple(node for node in self.nodes if isinstance(self.backends[node], backends.Backends))

    @property
    def without_rules(self) -> tuple[str, ...]:
        """The nodes that were seen and hold nothing for services: no rules, no virtual servers (of others does not count)."""
        seen = {node: known for node, known in self.backends.items() if isinstance(known, backends.Backends)}
        bare = [node for node, known in seen.items() if not any(t.services for t in known.tables)]
        return tuple(node for node in bare if not seen[node].ipvs or self._ipvs_of_others(node))

    def _ipvs_of_others(self, node: str) -> bool:
        one = self.in_ipvs.get(node)
        return one is not None and isinstance(one.servers, ipvs.Ipvs) and not one.in_use

    def by_ipvs(self, node: str) -> bool:
        """Whether virtual servers, not rules, send services to their endpoints there."""
        return node in self.in_ipvs and self.in_ipvs[node].in_use

    def lacks(self, node: str, family: str) -> bool:
        """Whether a node holds service rules, but none of this family."""
        services = {t.family for t in self.tables(node) if t.services}
        return bool(services) and family not in services

    def unlisted(self, place: Place) -> bool:
        """Whether a listing was not saved, of tables without services that another tool shows."""
        answer = self.texts.get(place)
        unsaved = self.saved and isinstance(answer, CannotLook) and answer.kind == "missing"
        return unsaved and not any(t.services for t in self.tables(place[0]) if (t.backend, t.family) == place[1:])

    def tables(self, node: str) -> tuple[FilterTable, ...]:
        """The tables of a node; none where it could not be asked."""
        known = self.backends[node]
        return known.tables if isinstance(known, backends.Backends) else ()

    def asked(self, node: str) -> tuple[FilterTable, ...]:
        """Those of them that the command is about."""
        return tuple(t for t in self.tables(node) if t.backend in self.of)


def absent(params: Params, seen: Seen) -> str:
    """The table or chain that was asked for and is nowhere, where that was seen of a family; "" for none."""
    named = {t.name for node in seen.nodes for t in seen.asked(node)}
    if not lacking(seen):
        return ""
    if params.table and params.table.name not in named:
        return f"table {params.table}"
    found = any(isinstance(answer, Ruleset) for answer in seen.chains.values())
    return f"chain {params.chain}" if params.chain and not found else ""


def lacking(seen: Seen) -> tuple[str, ...]:
    """The families in which what was named is not there: each answer says so, or nothing that was told could hold it."""
    answers = seen.chains or seen.texts
    asked = {family: [_gone(a) for place, a in answers.items() if place[2] == family] for family in FAMILIES}
    bare = bool(seen.looked) and all(map(_gone, answers.values()))
    return tuple(family for family, gone in asked.items() if (all(gone) if gone else bare))


def searched(seen: Seen) -> tuple[str, ...]:
    """The nodes in which that was seen: live ones tell all that they hold, saved ones what was saved of them."""
    asked = {place[0] for place in seen.chains or seen.texts}
    return tuple(node for node in seen.looked if not seen.saved or node in asked or seen.asked(node)) or seen.looked


def within(params: Params, seen: Seen) -> str:
    """Where what is absent was looked for, as " in nftables"; "" for wherever it could be. Few files tell of every backend."""
    table = f" in table {params.table}" if params.table and absent(params, seen).startswith("chain ") else ""
    saved = {t.backend for node in seen.looked for t in seen.asked(node)} | {place[1] for place in seen.chains or seen.texts}
    if seen.saved and saved:
        *first, last = sorted(saved)
        return f"{table} in {' and '.join(filter(None, (', '.join(first), last)))}"
    return table if seen.of == EVERY else f"{table} in {'nftables' if seen.of == NFTABLES else 'iptables'}"


def _gone(answer: object) -> bool:
    return isinstance(answer, CannotLook) and answer.kind == "gone"


def of_service(service: Service) -> Iterator[Frontend]:
    """Every address at which a service can be reached."""
    for port in service.ports:
        for frontend, _ in frontends(service, port):
            yield frontend


def destinations(service: Service, family: str) -> tuple[Destination, ...]:
    """The same, as the node understands it."""
    mine = (f for f in of_service(service) if f.family == family)
    return tuple(dict.fromkeys(Destination(f.address, f.port, f.protocol) for f in mine))
