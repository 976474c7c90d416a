"""Tables that iptables-nft wrote, decoded, whole or around some chains (the calling thread's namespace)."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from dataclasses import replace
from typing import Optional

from node_helper.linux import nfnetlink
from node_helper.linux.netlink import attributes
from node_helper.linux.nf_tables import Tables
from node_helper.netfilter.about import About, leads, leads_to
from node_helper.netfilter.compat import Decoder
from node_helper.netfilter.records import Chain, Rule, Table, Wanted
from node_helper.netfilter.ways import ways
from node_helper.protocol import CannotLook

MOST_CHAINS = 4000
"""Chains that one question about some of them may follow: one about destinations is refused beyond, any other ends there."""
_EXPRESSIONS = 4


def read(wanted: Wanted) -> Optional[Table]:
    """What is wanted; None where there is no such table. ``budget`` where the chains lead to too many others."""
    with closing(nfnetlink.connect()) as netlink:
        tables = Tables(netlink, wanted.family)
        reader = _Reader(tables, wanted)
        found = reader.some() if wanted.chains else reader.all()
        if not found and wanted.table not in tables.names():
            return None
        if wanted.bases:
            near = {chain.name for chain in found}
            found += [c for c in ways(wanted.bases, wanted.chains, reader.chain, leads) if c.name not in near]
        return Table(wanted.family, wanted.table, tuple(found), dormant=wanted.hooked and tables.dormant(wanted.table))


class _Reader:
    def __init__(self, tables: Tables, wanted: Wanted) -> None:
        self._tables = tables
        self._wanted = wanted
        self._decoder = Decoder(tables.family)
        self._about = About(wanted.only, tables.family) if wanted.only else None

    def all(self) -> list[Chain]:
        chains = self._tables.chains(self._wanted.table)
        return chains if self._wanted.bare else [replace(chain, rules=self._rules(chain.name)) for chain in chains]

    def chain(self, name: str) -> Optional[Chain]:
        """One chain, every rule of it; None where there is none."""
        found = self._tables.chain(self._wanted.table, name)
        return found and replace(found, rules=self._rules(name))

    def some(self) -> list[Chain]:
        """The named chains, and those to which their rules lead."""
        found: dict[str, Chain] = {}
        left, named = deque(self._wanted.chains), frozenset(self._wanted.chains)
        while left:
            name = left.popleft()
            if name in found:
                continue
            chain = self._tables.chain(self._wanted.table, name)
            if chain is None:  # a named one that is not there, or a target that is no chain
                continue
            if len(found) >= MOST_CHAINS:
                if self._about is None:
                    break
                raise CannotLook(f"the chains lead to more than {MOST_CHAINS} others", kind="budget", fix="Ask for one service.")
            rules = self._rules_about(name) if name in named else self._rules(name)
            found[name] = replace(chain, rules=rules)
            left.extend(filter(None, (leads_to(rule.spec) for rule in rules)))
        return list(found.values())

    def _rules(self, chain: str) -> tuple[Rule, ...]:
        decode = self._decoder.rule
        return tuple(decode(attributes(rule)[_EXPRESSIONS]) for rule in self._tables.rules(self._wanted.table, chain))

    def _rules_about(self, chain: str) -> tuple[Rule, ...]:
        about, decode = self._about, self._decoder.rule
        if about is None:
            return self._rules(chain)
        near = (rule for rule in self._tables.rules(self._wanted.table, chain) if about.may_concern(rule))
        decoded = (decode(attributes(rule)[_EXPRESSIONS]) for rule in near)
        return tuple(rule for rule in decoded if about.concerns(rule.spec))
