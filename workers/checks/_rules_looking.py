"""How `rules`, `iptables` and `nftables` look: first which backends a node uses, then what they hold of what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, cast

from node_helper.facts import backends, chain_names, chain_rules, dataplane, ipvs, rules_text, service_rules
from node_helper.netfilter.records import OF_IPTABLES, Destination, Ruleset
from node_helper.protocol import CannotLook
from workers import locate
from workers.check import Ask, Plan, Round, Slot, View, batch
from workers.checks._ipvs_seen import OnNode, virtuals
from workers.checks._rules_seen import (
    EVERY,
    FAMILIES,
    IPTABLES,
    NFTABLES,
    IpFamily,
    Params,
    Place,
    Seen,
    absent,
    destinations,
    of_service,
)
from workers.errors import UsageError
from workers.objects import Node, Service
from workers.rules.modes import of_ipvs
from workers.rules.names import RuleName
from workers.rules.near import near

Backend = Literal["iptables-nft", "iptables-legacy", "nftables"]
_NAMING = 3


def looking(params: Params, view: View, of: tuple[str, ...] = EVERY) -> Plan[Seen]:
    """Ask every node which backends it uses, then those for the service, the chain, or the whole text."""
    meant = locate.service_or_node(view, params.target)
    service = meant if isinstance(meant, Service) else None
    nodes = tuple(node.name for node in _nodes(params, view, meant))
    known = yield from batch({node: Ask(node, backends.FACT, backends.Query()) for node in nodes})
    seen = Seen(service, nodes, known, of=of, saved=view.saved)
    look, slots, texts = Round(), dict[Place, Slot[Ruleset]](), dict[Place, Slot[rules_text.Text]]()
    for place in _places(seen, params):
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
    seen = yield from _with_unsaved(seen, params)
    seen = yield from _with_near(seen, params)
    return seen if service is None else (yield from _with_ipvs(seen, service, view))


def _with_unsaved(seen: Seen, params: Params) -> Plan[Seen]:
    """Ask for a chain that is nowhere in the families of which no table was told too: of saved files they may be unknown."""
    if not seen.saved or params.chain is None or not absent(params, seen).startswith("chain "):
        return seen
    asks = {
        place: Ask(place[0], chain_rules.FACT, _chain_query(place, params.table.name if params.table else "filter", params.chain))
        for node in [node for node in seen.looked if seen.asked(node)] or seen.looked
        for place in _may_hold(seen, node, params)
        if place not in seen.chains
    }
    answers = yield from batch({" ".join(place): ask for place, ask in asks.items()})
    return replace(seen, chains={**seen.chains, **{place: answers[" ".join(place)] for place in asks}})


def _with_near(seen: Seen, params: Params) -> Plan[Seen]:
    """Where what was named is nowhere, find it in other backends; ask for the chains of some nodes, for they are much alike."""
    what, others = absent(params, seen), tuple(backend for backend in EVERY if backend not in seen.of)
    if params.table and what.startswith("table "):
        held = [(node, t) for node in seen.looked for t in seen.tables(node) if t.name == params.table.name]
        return replace(seen, elsewhere=tuple((node, t.backend, t.family) for node, t in held))
    if params.chain is None or not what:
        return seen
    asks = {
        (place, table): Ask(place[0], chain_names.FACT, chain_names.Query(_backend(place), _family(place), table))
        for place, table, _ in _chain_queries(seen, params, EVERY)
        if place[0] in seen.nodes[:_NAMING]
    }
    answers = yield from batch({" ".join((*place, table)): ask for (place, table), ask in asks.items()})
    told = {key: a.names for key in asks if isinstance(a := answers[" ".join((*key[0], key[1]))], chain_names.Names)}
    names = [name for (place, _), some in told.items() if place[1] in seen.of for name in some]
    elsewhere = [place for (place, _), some in told.items() if place[1] in others and params.chain.name in some]
    return replace(seen, near=near(params.chain.name, names), elsewhere=tuple(elsewhere))


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


def _places(seen: Seen, params: Params) -> Iterator[Place]:
    """Where to look: for a service backends that hold service rules; for a node, where no chain is named, whatever has tables.

    A family of the service without any service rules is looked for in the backends that hold those of the other.
    """
    if seen.service is None and params.chain is not None:
        return
    for node in seen.nodes:
        used = list(seen.asked(node))
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
    told = (t.name for node in seen.nodes for t in seen.asked(node))
    if seen.saved and params.table and params.table.name not in told:
        for node in seen.looked:
            yield from _may_hold(seen, node, params)


def _may_hold(seen: Seen, node: str, params: Params) -> Iterator[Place]:
    """Where files of a node would hold what was named: a table where its name says, a chain where the node has tables, if any."""
    kinds = [kind for kind in (IPTABLES, NFTABLES) if set(kind) <= set(seen.of)]
    if params.table:
        kinds = [kind for kind in kinds if (kind == IPTABLES) == (params.table.name in OF_IPTABLES)]
    told = [t.backend for t in seen.asked(node)]
    used = [kind for kind in kinds if set(kind) & set(told)]
    for kind in used or kinds:
        forms = [backend for backend in kind if backend in told] or kind[:1]
        yield from ((node, backend, family) for backend in forms for family in FAMILIES)


def _chain_queries(seen: Seen, params: Params, of: tuple[str, ...]) -> Iterator[tuple[Place, str, chain_rules.Query]]:
    """The chain that was named, of each table in which it may be."""
    if params.chain is None:
        return
    for node in seen.nodes:
        for t in seen.tables(node):
            if t.backend in of and (params.table is None or t.name == params.table.name):
                place = (node, t.backend, t.family)
                yield place, t.name, _chain_query(place, t.name, params.chain)


def _together(answers: list[Ruleset | CannotLook]) -> Ruleset | CannotLook:
    """What was asked of several tables, as one: what could not be looked at counts more than what is not there."""
    refused = [a for a in answers if isinstance(a, CannotLook)]
    worse = [a for a in refused if a.kind != "gone"]
    there = [a for a in answers if isinstance(a, Ruleset)]
    if worse or not there:
        return (worse or refused)[0]
    return replace(there[0], tables=tuple(table for each in there for table in each.tables))


def _text_query(place: Place, params: Params) -> rules_text.Query:
    return rules_text.Query(_backend(place), _family(place), params.table.name if params.table else None)


def _chain_query(place: Place, table: str, chain: RuleName) -> chain_rules.Query:
    return chain_rules.Query(_backend(place), _family(place), table, chain.name)


def _service_query(place: Place, only: tuple[Destination, ...]) -> service_rules.Query:
    return service_rules.Query(_backend(place), _family(place), only)


def _backend(place: Place) -> Backend:
    return cast("Backend", place[1])


def _family(place: Place) -> IpFamily:
    return cast("IpFamily", place[2])


def _nodes(params: Params, view: View, meant: Service | Node) -> tuple[Node, ...]:
    if isinstance(meant, Node):
        if params.node and locate.node(view, params.node) != meant:
            raise UsageError(f"{meant.name} and {params.node} are two nodes; say one of them, or a service on one of them")
        return (meant,)
    return (locate.node(view, params.node),) if params.node else tuple(view.cluster.nodes.values())
