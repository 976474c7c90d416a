"""How `rules`, `iptables` and `nftables` look: first which backends a node uses, then what they hold of what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, cast

from node_helper.facts import backends, chain_names, chain_rules, dataplane, ipvs, rules_text, service_rules
from node_helper.netfilter.records import Destination, Ruleset
from node_helper.protocol import CannotLook
from workers import locate
from workers.check import Ask, Plan, Round, Slot, View, batch
from workers.checks._ipvs_seen import OnNode, virtuals
from workers.checks._rules_seen import EVERY, FAMILIES, IpFamily, Params, Place, Seen, absent, destinations, of_service
from workers.errors import UsageError
from workers.objects import Node, Service
from workers.rules.modes import of_ipvs
from workers.rules.near import near

Backend = Literal["iptables-nft", "iptables-legacy", "nftables"]
_NAMING = 3


def looking(params: Params, view: View, of: tuple[str, ...] = EVERY) -> Plan[Seen]:
    """Ask every node which backends it uses, then those for the service, the chain, or the whole text."""
    meant = locate.service_or_node(view, params.target)
    service = meant if isinstance(meant, Service) else None
    nodes = tuple(node.name for node in _nodes(params, view, meant))
    known = yield from batch({node: Ask(node, backends.FACT, backends.Query()) for node in nodes})
    seen = Seen(service, nodes, known, saved=view.saved)
    look, slots, texts = Round(), dict[Place, Slot[Ruleset]](), dict[Place, Slot[rules_text.Text]]()
    for place in _places(seen, params, of):
        key = " ".join(place)
        if service is None:
            texts[place] = look.add(f"text {key}", Ask(place[0], rules_text.FACT, _text_query(place, params)))
        elif only := destinations(service, place[2]):
            slots[place] = look.add(key, Ask(place[0], service_rules.FACT, _service_query(place, only)))
    for place in _sought(seen, params):
        texts[place] = look.add(f"table {' '.join(place)}", Ask(place[0], rules_text.FACT, _text_query(place, params)))
    chains: dict[Place, list[Slot[Ruleset]]] = {}
    for place, table, query in _chain_queries(seen, params, of):
        chains.setdefault(place, []).append(look.add(f"chain {' '.join(place)} {table}", Ask(place[0], chain_rules.FACT, query)))
    others = {node: look.add(f"dataplane {node}", Ask(node, dataplane.FACT, dataplane.Query())) for node in seen.without_rules}
    got = yield from look.ask()
    seen = replace(
        seen,
        found={place: slot.of(got) for place, slot in slots.items()},
        chains={place: _together([slot.of(got) for slot in several]) for place, several in chains.items()},
        texts={place: slot.of(got) for place, slot in texts.items()},
        programs={node: slot.of(got) for node, slot in others.items()},
    )
    seen = yield from _with_other_families(seen, params, of)
    seen = yield from _with_near(seen, params, of)
    return seen if service is None else (yield from _with_ipvs(seen, service, view))


def _with_other_families(seen: Seen, params: Params, of: tuple[str, ...]) -> Plan[Seen]:
    """Ask for a chain that is nowhere in the families of which no table was told too: of saved files they may be unknown."""
    if params.chain is None or not absent(params, seen).startswith("chain "):
        return seen
    asks = {
        (node, query.backend, family): Ask(node, chain_rules.FACT, replace(query, family=family))
        for (node, *_), _, query in _chain_queries(seen, params, of)
        for family in FAMILIES
        if (node, query.backend, family) not in seen.chains
    }
    answers = yield from batch({" ".join(place): ask for place, ask in asks.items()})
    return replace(seen, chains={**seen.chains, **{place: answers[" ".join(place)] for place in asks}})


def _with_near(seen: Seen, params: Params, of: tuple[str, ...]) -> Plan[Seen]:
    """Ask for the chains that there are, where the one that was named is nowhere: of some nodes, for they are much alike."""
    if params.chain is None or not absent(params, seen).startswith("chain "):
        return seen
    tables = [(place, table) for place, table, _ in _chain_queries(seen, params, of) if place[0] in seen.nodes[:_NAMING]]
    asks = {
        " ".join((*place, table)): Ask(
            place[0], chain_names.FACT, chain_names.Query(cast("Backend", place[1]), cast("IpFamily", place[2]), table)
        )
        for place, table in tables
    }
    answers = yield from batch(asks)
    names = [name for answer in answers.values() if isinstance(answer, chain_names.Names) for name in answer.names]
    return replace(seen, near=near(params.chain.name, names))


def _with_ipvs(seen: Seen, service: Service, view: View) -> Plan[Seen]:
    """Ask for the virtual servers where nothing else can send the service anywhere."""
    wanted = {node: virtuals(service, view.cluster.nodes[node]) for node in seen.nodes if _may_be_ipvs(seen, node)}
    answers = yield from batch({node: Ask(node, ipvs.FACT, ipvs.Query(only)) for node, only in wanted.items()})
    return replace(seen, in_ipvs={node: OnNode(node, answer) for node, answer in answers.items()})


def _may_be_ipvs(seen: Seen, node: str) -> bool:
    """Whether it has virtual servers, of whomever, and no service rules but those of kube-proxy's IPVS mode."""
    known = seen.backends[node]
    services = {(node, t.backend, t.family) for t in seen.tables(node) if t.services}
    asked = [seen.found[place] for place in services if place in seen.found]
    return (
        isinstance(known, backends.Backends)
        and bool(known.ipvs)
        and bool(asked) == bool(services)
        and all(isinstance(answer, Ruleset) and of_ipvs(answer) for answer in asked)
    )


def _places(seen: Seen, params: Params, of: tuple[str, ...]) -> Iterator[Place]:
    """Where to look: for a service backends that hold service rules; for a node, where no chain is named, whatever has tables.

    A family of the service without any service rules is looked for in the backends that hold those of the other.
    """
    if seen.service is None and params.chain is not None:
        return
    for node in seen.nodes:
        used = [t for t in seen.tables(node) if t.backend in of]
        if seen.service is not None:
            used = [t for t in used if t.services]
            missing = [f for f in sorted({f.family for f in of_service(seen.service)}) if seen.lacks(node, f)]
            used += [replace(t, family=family) for family in missing for t in used]
        elif params.table is not None:
            used = [t for t in used if t.name == params.table.name]
        else:
            used = [t for t in used if t.backend != "nftables" or t.services]
        yield from dict.fromkeys((node, t.backend, t.family) for t in used)


def _sought(seen: Seen, params: Params) -> Iterator[Place]:
    """Where to ask for a table that no node told: of saved files more may be there than they tell."""
    told = [(node, t) for node in seen.nodes for t in seen.tables(node)]
    if params.table and not any(t.name == params.table.name for _, t in told):
        yield from dict.fromkeys((node, t.backend, family) for node, t in told for family in FAMILIES)


def _chain_queries(seen: Seen, params: Params, of: tuple[str, ...]) -> Iterator[tuple[Place, str, chain_rules.Query]]:
    """The chain that was named, of each table in which it may be."""
    if params.chain is None:
        return
    for node in seen.nodes:
        for t in seen.tables(node):
            if t.backend in of and (params.table is None or t.name == params.table.name):
                backend, family = cast("Backend", t.backend), cast("IpFamily", t.family)
                yield (node, backend, family), t.name, chain_rules.Query(backend, family, t.name, params.chain.name)


def _together(answers: list[Ruleset | CannotLook]) -> Ruleset | CannotLook:
    """What was asked of several tables, as one: what could not be looked at counts more than what is not there."""
    refused = [a for a in answers if isinstance(a, CannotLook)]
    worse = [a for a in refused if a.kind != "gone"]
    there = [a for a in answers if isinstance(a, Ruleset)]
    if worse or not there:
        return (worse or refused)[0]
    return replace(there[0], tables=tuple(table for each in there for table in each.tables))


def _text_query(place: Place, params: Params) -> rules_text.Query:
    table = params.table.name if params.table else None
    return rules_text.Query(cast("Backend", place[1]), cast("IpFamily", place[2]), table)


def _service_query(place: Place, only: tuple[Destination, ...]) -> service_rules.Query:
    return service_rules.Query(cast("Backend", place[1]), cast("IpFamily", place[2]), only)


def _nodes(params: Params, view: View, meant: Service | Node) -> tuple[Node, ...]:
    if isinstance(meant, Node):
        if params.node and locate.node(view, params.node) != meant:
            raise UsageError(f"{meant.name} and {params.node} are two nodes; say one of them, or a service on one of them")
        return (meant,)
    return (locate.node(view, params.node),) if params.node else tuple(view.cluster.nodes.values())
