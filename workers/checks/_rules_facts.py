"""What `rules`, `iptables` and `nftables` saw, as the `facts` of the JSON interface, and the parts that people are shown too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

from node_helper.facts.backends import Backends
from node_helper.facts.rules_text import Text
from node_helper.netfilter.records import Ruleset
from node_helper.protocol import CannotLook
from workers.checks._rules_seen import Params, Place, Seen, of_service
from workers.objects import Service
from workers.rules.resolve import Frontend, Path, Route, Rules
from workers.rules.tree import Line, lines, of_chain

Of = tuple[str, dict[str, Any]]
"""A node, and something of it."""
Ways = dict[Place, tuple[tuple[Frontend, Route], ...]]
Trees = dict[Place, tuple[Line, ...]]


def facts(seen: Seen, ways: Ways, trees: Trees) -> dict[str, Any]:
    """By node: its tables, where the service goes, the trees and the whole saves; null where it could not be looked at."""
    of_ways, of_trees, saves = _by_node(_ways(ways)), _by_node(_trees(trees)), _by_node(_saves(seen))
    nodes: dict[str, Any] = {}
    for node in seen.nodes:
        known = seen.backends[node]
        parts = {"ways": of_ways.get(node, []), "trees": of_trees.get(node, []), "saves": saves.get(node, [])}
        nodes[node] = {**_held(known), **parts} if isinstance(known, Backends) else None
    return {"service": str(seen.service) if seen.service else None, "nodes": nodes}


def walked(seen: Seen) -> Ways:
    """Where the service's packets go, in each place with a table in which services are."""
    return {place: tuple(_walked(seen.service, place, answer)) for place, answer in seen.found.items() if _has_services(answer)}


def drawn(params: Params, seen: Seen) -> Trees:
    """What is shown as a tree: the chain or the table where one was named, else what is about the service."""
    answers = (seen.chains if params.chain else seen.found).items()
    return {place: _tree(params, answer) for place, answer in answers if isinstance(answer, Ruleset)}


def _has_services(answer: object) -> bool:
    return isinstance(answer, Ruleset) and any(table.name in ("nat", "kube-proxy") for table in answer.tables)


def counts(text: Text, backend: str) -> dict[str, int]:
    """Lines and rules of a listing; saved JSON has no lines."""
    listed = text.text.splitlines()
    return {} if text.text.startswith("{") else {"lines": len(listed), "rules": _rules(listed, backend)}


def _held(known: Backends) -> dict[str, Any]:
    tables = [
        {"backend": t.backend, "family": t.family, "table": t.name, "rules": t.rules, "services": t.services}
        for t in known.tables
    ]
    return {"tables": tables, "ipvs": known.ipvs}


def _walked(service: Service | None, place: Place, answer: Ruleset | CannotLook) -> Iterator[tuple[Frontend, Route]]:
    if service and isinstance(answer, Ruleset):
        rules = Rules(answer)
        yield from ((frontend, rules.route(frontend)) for frontend in of_service(service) if frontend.family == place[2])


def _tree(params: Params, answer: Ruleset) -> tuple[Line, ...]:
    if params.chain:
        return of_chain(answer, params.chain.name)
    tables = [t for t in answer.tables if params.table is None or t.name == params.table.name]
    return lines(replace(answer, tables=tuple(tables)))


def _ways(ways: Ways) -> Iterator[Of]:
    for (node, backend, _), routes in ways.items():
        for frontend, route in routes:
            paths = {source.name.lower(): _path(path) for source, path in route.paths.items()}
            yield node, {"backend": backend, "destination": str(frontend), "from": paths}


def _path(path: Path) -> dict[str, Any]:
    shares = {share.endpoint: round(share.share, 4) for share in path.endpoints}
    return {
        "outcome": path.outcome, "endpoints": shares, "masqueraded": path.masqueraded, "sticky_s": path.sticky_s,
        "admitted": list(path.admitted), "only_to": list(path.only_to), "unhooked": list(path.unhooked),
    }  # fmt: skip


def _trees(trees: Trees) -> Iterator[Of]:
    for (node, backend, family), found in trees.items():
        yield node, {"backend": backend, "family": family, "lines": [asdict(line) for line in found]}


def _saves(seen: Seen) -> Iterator[Of]:
    for (node, backend, family), text in seen.texts.items():
        if isinstance(text, Text):
            said = {"backend": backend, "family": family, "command": list(text.argv)}
            yield node, {**said, **counts(text, backend), "cut": text.cut}


def _by_node(every: Iterable[Of]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for node, one in every:
        found.setdefault(node, []).append(one)
    return found


def _rules(listed: list[str], backend: str) -> int:
    """Rules in a listing: `-A`, with or without its counters; of nft the lines of chains, less their type, policy and comment."""
    if backend != "nftables":
        return sum(line.startswith("-A ") or "] -A " in line[:60] for line in listed)
    rules, in_chain = 0, False
    for line in listed:
        if line.startswith("\t") and not line.startswith("\t\t"):
            in_chain = line.startswith("\tchain ")
        elif in_chain and line.startswith("\t\t") and not line.startswith(("\t\t\t", "\t\ttype ", "\t\tcomment ")):
            rules += 1
    return rules
