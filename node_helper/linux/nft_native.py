"""kube-proxy's own nftables table, decoded, whole or around some destinations (the calling thread's namespace)."""

from __future__ import annotations

import re
import socket
from collections import deque
from contextlib import closing
from dataclasses import replace
from typing import Iterable, Optional

from node_helper.linux import nfnetlink
from node_helper.linux.iptables_nft import MOST_CHAINS
from node_helper.linux.netlink import attributes
from node_helper.linux.nf_tables import Tables
from node_helper.netfilter import native, native_sets
from node_helper.netfilter.about import NODE_PORT_ADDRESSES, nft_leads_to
from node_helper.netfilter.native_sets import Head
from node_helper.netfilter.records import Chain, Destination, Element, Map, Rule, Table, Wanted
from node_helper.netfilter.ways import ways
from node_helper.netfilter.xt_words import PROTOCOLS, Undecodable
from node_helper.protocol import CannotLook

_NAMED = re.compile(r"@([^\s]+)")
_NUMBERS = {name: number for number, name in PROTOCOLS.items()}
_ADDRESSES = {"ipv4_addr": socket.AF_INET, "ipv6_addr": socket.AF_INET6}


def read(wanted: Wanted) -> Optional[Table]:
    """What is wanted; None where there is no such table. ``budget`` where the chains lead to too many others."""
    with closing(nfnetlink.connect()) as netlink:
        tables = Tables(netlink, wanted.family, hooks=True)
        if wanted.table not in tables.names():
            return None
        reader = _Reader(tables, wanted)
        found = reader.some() if wanted.chains else reader.all()
        return replace(found, dormant=wanted.hooked and tables.dormant(wanted.table))


class _Reader:
    def __init__(self, tables: Tables, wanted: Wanted) -> None:
        self._tables = tables
        self._wanted = wanted
        self._sets: dict[str, Head] = {}

    def all(self) -> Table:
        table = self._wanted.table
        if self._wanted.bare:
            return Table(self._wanted.family, table, tuple(map(_lower, self._tables.chains(table))))
        self._sets = {one.name: one for one in self._tables.sets(table)}
        chains = [replace(_lower(chain), rules=self._rules(chain.name)) for chain in self._tables.chains(table)]
        named = [one for one in self._sets.values() if not one.flags & native_sets.ANONYMOUS]
        return Table(self._wanted.family, table, tuple(chains), tuple(self._map(one, self._every(one)) for one in named))

    def some(self) -> Table:
        """The named chains, what their maps say of the destinations, and the chains to which all that leads."""
        chains: dict[str, Chain] = {}
        maps: dict[str, Map] = {}
        left = deque(self._wanted.chains)
        while left:
            name = left.popleft()
            if name in chains:
                continue
            if len(chains) >= MOST_CHAINS:
                if not self._wanted.only:
                    break
                raise CannotLook(f"the chains lead to more than {MOST_CHAINS} others", kind="budget", fix="Ask for one service.")
            chain = self._tables.chain(self._wanted.table, name)
            if chain is None:
                continue
            rules = self._rules(name)
            chains[name] = replace(_lower(chain), rules=rules)
            for rule in rules:
                left.extend(nft_leads_to(rule.spec))
                for said in _NAMED.findall(rule.spec):
                    if said not in maps and (found := self._some_of(said)) is not None:
                        maps[said] = found
                        left.extend(target for e in found.elements for target in nft_leads_to(e.value))
        hooks = ways(self._wanted.bases, self._wanted.chains, self._chain, lambda rule: nft_leads_to(rule.spec))
        chains.update((chain.name, chain) for chain in hooks if chain.name not in chains)
        return Table(self._wanted.family, self._wanted.table, tuple(chains.values()), tuple(maps.values()))

    def _chain(self, name: str) -> Optional[Chain]:
        found = self._tables.chain(self._wanted.table, name)
        return found and replace(_lower(found), rules=self._rules(name))

    def _rules(self, chain: str) -> tuple[Rule, ...]:
        found = self._tables.rules(self._wanted.table, chain)
        return tuple(native.rule(self._tables.family, attributes(rule), self._anonymous) for rule in found)

    def _anonymous(self, name: str) -> tuple[Element, ...]:
        """Its elements by their numbers where they have some. Raises `Undecodable`."""
        kind = self._head(name)
        if kind is None:
            raise Undecodable(f"set {name}")
        found = self._every(kind)
        return tuple(sorted(found, key=lambda e: int(e.key))) if all(e.key.isdecimal() for e in found) else found

    def _every(self, kind: Head) -> tuple[Element, ...]:
        return native_sets.elements(kind, self._tables.elements(self._wanted.table, kind.name))

    def _head(self, name: str) -> Optional[Head]:
        if name not in self._sets:
            found = self._tables.set(self._wanted.table, name)
            if found is None:
                return None
            self._sets[name] = found
        return self._sets[name]

    def _some_of(self, name: str) -> Optional[Map]:
        """A named set with those of its elements that are about the destinations; None where it cannot be told."""
        kind = self._head(name)
        if kind is None:
            return None
        if kind.timeout is not None:  # clients that endpoints had: not about destinations
            return self._map(kind, ())
        if name == NODE_PORT_ADDRESSES and any(not one.address for one in self._wanted.only):
            return replace(self._map(kind, self._every(kind)), whole=True)
        if self._wanted.only and kind.flags & native_sets.INTERVAL:
            return self._intervals(kind)
        keys = {key: None for one in self._wanted.only if (key := _key(kind, one)) is not None}
        found = [self._tables.element(self._wanted.table, name, key) for key in keys]
        found += [self._tables.catch_all(self._wanted.table, name)] if keys else []
        return self._map(kind, native_sets.elements(kind, [one for one in found if one is not None]))

    def _intervals(self, kind: Head) -> Optional[Map]:
        """All of them, as the kernel tells no end to who asks for a key; None where they are not understood."""
        try:
            return replace(self._map(kind, self._every(kind)), whole=True)
        except Undecodable:
            return None

    def _map(self, kind: Head, elements: Iterable[Element]) -> Map:
        return Map(kind.name, kind.type, tuple(elements), kind.timeout)


def _lower(chain: Chain) -> Chain:
    return replace(chain, policy=chain.policy.lower())


def _key(kind: Head, one: Destination) -> Optional[bytes]:
    """The bytes by which the kernel finds a destination in a set of such keys; None where it can hold none."""
    parts = []
    for each in kind.keys:
        if each in _ADDRESSES:
            if not one.address or (":" in one.address) != (each == "ipv6_addr"):
                return None
            parts.append(socket.inet_pton(_ADDRESSES[each], one.address))
        elif each == "inet_proto":
            parts.append(bytes([_NUMBERS.get(one.protocol, 0)]))
        elif each == "inet_service":
            parts.append(one.port.to_bytes(2, "big"))
        else:
            return None
    if len(parts) == 1:
        return parts[0]
    return b"".join(part.ljust((len(part) + 3) & ~3, b"\0") for part in parts)
