"""What `rules`, `iptables` and `nftables` saw, as the `facts` of the JSON interface, and the parts that people are shown too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

from node_helper.facts.backends import Backends
from node_helper.facts.rules_text import Text
from node_helper.netfilter.records import Ruleset
from workers.checks._rules_seen import Params, Place, Seen, of_service
from workers.rules.resolve import Path, Rules
from workers.rules.tree import Line, lines, of_chain

Of = tuple[str, dict[str, Any]]
"""A node, and something of it."""


def facts(params: Params, seen: Seen) -> dict[str, Any]:
    """By node: its tables, where the service goes, the trees and the whole saves; null where it could not be looked at."""
    ways, trees, saves = _by_node(_ways(seen)), _by_node(_trees(params, seen)), _by_node(_saves(seen))
    nodes: dict[str, Any] = {}
    for node in seen.nodes:
        known = seen.backends[node]
        parts = {"ways": ways.get(node, []), "trees": trees.get(node, []), "saves": saves.get(node, [])}
        nodes[node] = {**_held(known), **parts} if isinstance(known, Backends) else None
    return {"service": str(seen.service) if seen.service else None, "nodes": nodes}


def has_services(answer: Ruleset) -> bool:
    """Whether it holds a table in which services are."""
    return any(table.name in ("nat", "kube-proxy") for table in answer.tables)


def drawn(params: Params, seen: Seen) -> Iterator[tuple[Place, Ruleset]]:
    """What is shown as a tree: the chain where one was named, else what is about the service."""
    for place, answer in (seen.chains if params.chain else seen.found).items():
        if isinstance(answer, Ruleset):
            yield place, answer


def tree(params: Params, answer: Ruleset) -> tuple[Line, ...]:
    """Its lines: of the chain or the table where one was named."""
    if params.chain:
        return of_chain(answer, params.chain.name)
    tables = [t for t in answer.tables if params.table is None or t.name == params.table.name]
    return lines(replace(answer, tables=tuple(tables)))


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


def _ways(seen: Seen) -> Iterator[Of]:
    for place, answer in seen.found.items():
        if not isinstance(answer, Ruleset) or seen.service is None or not has_services(answer):
            continue
        rules = Rules(answer)
        for frontend in of_service(seen.service):
            if frontend.family == place[2]:
                paths = {source.name.lower(): _path(path) for source, path in rules.route(frontend).paths.items()}
                yield place[0], {"backend": place[1], "destination": str(frontend), "from": paths}


def _path(path: Path) -> dict[str, Any]:
    shares = {share.endpoint: round(share.share, 4) for share in path.endpoints}
    return {
        "outcome": path.outcome, "endpoints": shares, "masqueraded": path.masqueraded, "sticky_s": path.sticky_s,
        "admitted": list(path.admitted), "only_to": list(path.only_to), "unhooked": list(path.unhooked),
    }  # fmt: skip


def _trees(params: Params, seen: Seen) -> Iterator[Of]:
    for (node, backend, family), answer in drawn(params, seen):
        yield node, {"backend": backend, "family": family, "lines": [asdict(line) for line in tree(params, answer)]}


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
