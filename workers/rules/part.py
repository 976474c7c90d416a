"""The part of a whole set of rules that is about some destinations, as a node would have answered. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from node_helper.netfilter.about import NODE_PORT_ADDRESSES, About, leads
from node_helper.netfilter.records import Chain, Destination, Map, Ruleset, Table
from workers.rules.elements import may_hold
from workers.rules.hooks import Hooks, Leads, nft_leads
from workers.rules.resolve import NFT_TABLE
from workers.rules.tree import STARTS

_FAMILIES = {"ip": 2, "ip6": 10}  # AF_INET and AF_INET6 of Linux
_MOST = 4000
"""Chains that are followed from one that was named, as on a node."""
_SERVICES = ("nat", "filter", NFT_TABLE)


def about(ruleset: Ruleset, family: str, only: Sequence[Destination]) -> Ruleset:
    """The tables that hold service rules, each with what is about the destinations, and its way there from the hooks."""
    tables = [t for t in ruleset.tables if t.family == family and t.name in _SERVICES]
    native = ruleset.backend == "nftables"
    parts = [_of_nft(t, only) if native else _of_iptables(t, only) for t in tables if native == (t.name == NFT_TABLE)]
    return Ruleset(ruleset.backend, tuple(parts), partial=True)


def around(ruleset: Ruleset, family: str, table: str, chain: str) -> Ruleset | None:
    """One chain and those to which it leads; None where there is none of the name."""
    for one in ruleset.tables:
        if (one.family, one.name) == (family, table) and any(c.name == chain for c in one.chains):
            lead = nft_leads(()) if ruleset.backend == "nftables" else leads
            return Ruleset(ruleset.backend, (replace(one, chains=_reached(one, (chain,), lead, _MOST), maps=()),), partial=True)
    return None


def _of_iptables(table: Table, only: Sequence[Destination]) -> Table:
    near = About(only, _FAMILIES[table.family])
    kept = [replace(c, rules=tuple(r for r in c.rules if near.concerns(r.spec))) if c.name in STARTS else c for c in table.chains]
    whole = replace(table, chains=tuple(kept))
    return _with_hooks(replace(whole, chains=_reached(whole, STARTS, leads)), Hooks(table, native=False))


def _of_nft(table: Table, only: Sequence[Destination]) -> Table:
    maps = tuple(_of_map(m, only) for m in table.maps)
    chains = _reached(table, STARTS, nft_leads(maps))
    return _with_hooks(replace(table, chains=chains, maps=maps), Hooks(table, native=True))


def _with_hooks(table: Table, hooks: Hooks) -> Table:
    found = {chain.name for chain in table.chains}
    return replace(table, chains=(*table.chains, *(chain for chain in hooks.chains() if chain.name not in found)))


def _of_map(known: Map, only: Sequence[Destination]) -> Map:
    if known.name == NODE_PORT_ADDRESSES and any(not one.address for one in only):
        return replace(known, whole=True)
    if known.timeout is not None:  # clients that endpoints had: not about destinations
        return replace(known, elements=())
    types = known.type.partition(" : ")[0].split(" . ")
    keys = {" . ".join(_field(kind, one) for kind in types) for one in only}
    return replace(known, elements=tuple(e for e in known.elements if may_hold(e.key, keys)))


def _field(kind: str, one: Destination) -> str:
    if kind in ("ipv4_addr", "ipv6_addr"):
        return one.address
    return {"inet_proto": one.protocol, "inet_service": str(one.port)}.get(kind, "?")


def _reached(table: Table, starts: Iterable[str], leads: Leads, most: int | None = None) -> tuple[Chain, ...]:
    known = {chain.name: chain for chain in table.chains}
    left, found = deque(starts), dict[str, Chain]()
    while left and (most is None or len(found) < most):
        name = left.popleft()
        if name in known and name not in found:
            found[name] = known[name]
            left.extend(target for rule in known[name].rules for target in leads(rule))
    return tuple(found.values())
