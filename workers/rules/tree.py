"""The rules that one question was about as a tree: what catches a destination, and where each of those rules leads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from node_helper.netfilter.about import leads_to, nft_leads_to
from node_helper.netfilter.records import Chain, Rule, Ruleset, Table

STARTS = (
    "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL", "services", "service-endpoints-check",
    "nodeport-endpoints-check", "firewall-check",
)  # fmt: skip
_COMMENT = re.compile(r' ?-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+)')
_LOADED = re.compile(r" ?-m (?:tcp|udp|sctp)(?= )")
_MAP = re.compile(r"@(\S+)")
_DEEPEST = 12
MOST = 2000
"""Lines of one tree; what follows is left out."""


@dataclass(frozen=True)
class Line:
    """One line: how deep it stands, the chain it is of, the rule, and its packets (None: not counted)."""

    depth: int
    chain: str
    text: str
    packets: int | None


def lines(ruleset: Ruleset) -> tuple[Line, ...]:
    """Every rule from kube-proxy's first chains on; what a chain holds stands under the first rule that leads to it."""
    return _first(line for table in ruleset.tables for line in _Tree(table).lines(STARTS))


def of_chain(ruleset: Ruleset, name: str) -> tuple[Line, ...]:
    """The same from one chain on, every rule of it."""
    return _first(line for table in ruleset.tables for line in _Tree(table, whole=True).lines((name,)))


def _first(found: Iterator[Line]) -> tuple[Line, ...]:
    return tuple(islice(found, MOST))


class _Tree:
    def __init__(self, table: Table, *, whole: bool = False) -> None:
        self._table = table
        self._whole = whole
        self._chains = {chain.name: chain for chain in table.chains}
        self._maps = {one.name: one for one in table.maps}
        self._seen: set[str] = set()

    def lines(self, starts: Sequence[str]) -> Iterator[Line]:
        for name in starts:
            chain = self._chains.get(name)
            if chain is not None and name not in self._seen and self._says(chain):
                yield Line(0, name, f"{self._table.name} {name}", None)
                yield from self._of(chain, 1)

    def _says(self, chain: Chain) -> bool:
        """A chain whose only business are maps that know nothing of the destination is not worth a line."""
        return self._whole or any(self._leads(rule) or not _MAP.search(rule.spec) for rule in chain.rules)

    def _of(self, chain: Chain, depth: int) -> Iterator[Line]:
        self._seen.add(chain.name)
        for rule in chain.rules:
            leads = self._leads(rule)
            known = _MAP.search(rule.spec)
            if known and known[1] in self._maps and "vmap" in rule.spec and not leads and not self._whole:
                continue
            yield Line(depth, chain.name, _short(rule), rule.packets)
            for key, target in leads:
                if key:
                    yield Line(depth + 1, chain.name, f"{key} → {target}", None)
                there = self._chains.get(target)
                if there is not None and target not in self._seen and depth < _DEEPEST:
                    yield from self._of(there, depth + 1 + bool(key))

    def _leads(self, rule: Rule) -> list[tuple[str, str]]:
        """Chains to which a rule leads; with the key of the map that says so, where one does."""
        found = [("", target) for target in (*nft_leads_to(rule.spec), *filter(None, (leads_to(rule.spec),)))]
        for name in _MAP.findall(rule.spec):
            for element in self._maps[name].elements if name in self._maps else ():
                found += [(element.key, target) for target in nft_leads_to(element.value)]
        return found


def _short(rule: Rule) -> str:
    """Without comments, and without naming the match that only loads the options of a protocol."""
    said = _LOADED.sub("", _COMMENT.sub("", rule.spec)).strip()
    return f"{said} (not understood: {', '.join(rule.unread)})" if rule.unread else said
