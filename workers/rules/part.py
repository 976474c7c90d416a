"""The part of a whole set of rules that is about some destinations, as a node would have answered. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from node_helper.netfilter.about import About, leads_to, nft_leads_to
from node_helper.netfilter.records import Chain, Destination, Element, Map, Rule, Ruleset, Table
from workers.rules.resolve import NFT_TABLE
from workers.rules.tree import STARTS

_FAMILIES = {"ip": 2, "ip6": 10}  # AF_INET and AF_INET6 of Linux
_MOST = 4000
"""Chains that are followed from one that was named, as on a node."""
_SERVICES = ("nat", "filter", NFT_TABLE)


def about(ruleset: Ruleset, family: str, only: Sequence[Destination]) -> Ruleset:
    """The tables that hold service rules, each with what is about the destinations."""
    tables = [t for t in ruleset.tables if t.family == family and t.name in _SERVICES]
    native = ruleset.backend == "nftables"
    parts = [_of_nft(t, only) if native else _of_iptables(t, only) for t in tables if native == (t.name == NFT_TABLE)]
    return Ruleset(ruleset.backend, tuple(parts), partial=True)


def around(ruleset: Ruleset, family: str, table: str, chain: str) -> Ruleset | None:
    """One chain and those to which it leads; None where there is none of the name."""
    for one in ruleset.tables:
        if (one.family, one.name) == (family, table) and any(c.name == chain for c in one.chains):
            leads = _nft_leads(()) if ruleset.backend == "nftables" else _iptables_leads
            return Ruleset(ruleset.backend, (replace(one, chains=_reached(one, (chain,), leads, _MOST), maps=()),), partial=True)
    return None


def _of_iptables(table: Table, only: Sequence[Destination]) -> Table:
    near = About(only, _FAMILIES[table.family])
    kept = [replace(c, rules=tuple(r for r in c.rules if near.concerns(r.spec))) if c.name in STARTS else c for c in table.chains]
    whole = replace(table, chains=tuple(kept))
    return replace(whole, chains=_reached(whole, STARTS, _iptables_leads))


def _of_nft(table: Table, only: Sequence[Destination]) -> Table:
    maps = tuple(replace(m, elements=tuple(e for e in m.elements if _concerns(m, e, only))) for m in table.maps)
    chains = _reached(table, STARTS, _nft_leads(maps))
    return replace(table, chains=chains, maps=maps)


def _concerns(known: Map, element: Element, only: Sequence[Destination]) -> bool:
    """By the types of the set's key; clients that endpoints had are about no destination."""
    if known.timeout is not None:
        return False
    types = known.type.partition(" : ")[0].split(" . ")
    return any(element.key == " . ".join(_field(kind, one) for kind in types) for one in only)


def _field(kind: str, one: Destination) -> str:
    if kind in ("ipv4_addr", "ipv6_addr"):
        return one.address
    return {"inet_proto": one.protocol, "inet_service": str(one.port)}.get(kind, "?")


def _reached(
    table: Table, starts: Iterable[str], leads: Callable[[Rule], Iterable[str]], most: int | None = None
) -> tuple[Chain, ...]:
    known = {chain.name: chain for chain in table.chains}
    left, found = deque(starts), dict[str, Chain]()
    while left and (most is None or len(found) < most):
        name = left.popleft()
        if name in known and name not in found:
            found[name] = known[name]
            left.extend(target for rule in known[name].rules for target in leads(rule))
    return tuple(found.values())


def _iptables_leads(rule: Rule) -> Iterable[str]:
    return filter(None, (leads_to(rule.spec),))


def _nft_leads(maps: tuple[Map, ...]) -> Callable[[Rule], Iterable[str]]:
    elements = {f"@{one.name}": one.elements for one in maps}

    def leads(rule: Rule) -> list[str]:
        named = [word for word in rule.spec.split(" ") if word in elements]
        return [*nft_leads_to(rule.spec), *(t for name in named for e in elements[name] for t in nft_leads_to(e.value))]

    return leads
