"""Which of kube-proxy's chains the kernel's hooks lead to: rules to which no packet comes do nothing.

Conditions on the way are not asked: a hook that leads there for some packets counts as leading there. What stands behind a rule
at which every packet ends is led to by nobody.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from node_helper.netfilter.about import leads, met, nft_leads_to
from node_helper.netfilter.legacy import HOOKS
from node_helper.netfilter.records import Chain, Map, Rule, Table
from workers.rules.steps import Source
from workers.rules.tree import STARTS

Leads = Callable[[Rule], Iterable[str]]
_HOOK = re.compile(r"type (\w+) hook (\w+) ")
_FORWARDED = ("input", "forward")
_BEFORE: Mapping[Source, tuple[str, ...]] = {
    Source.POD: ("prerouting",),
    Source.OUTSIDE: ("prerouting",),
    Source.NODE: ("output",),
}
_LATER: Mapping[Source, tuple[str, ...]] = {
    Source.POD: _FORWARDED,
    Source.OUTSIDE: _FORWARDED,
    Source.NODE: ("output", "input"),  # to itself through the loopback device
}
_NFT_BEFORE = frozenset({"services", "firewall-check"})
_NFT_NAT = frozenset({"services"})


class Hooks:
    """The base chains of one table, and the chains of kube-proxy's to which each of them leads."""

    def __init__(self, table: Table, *, native: bool) -> None:
        self._table = table
        self._native = native
        self._leads = nft_leads(table.maps) if native else leads
        self._chains = {chain.name: chain for chain in table.chains}
        self._bases = {chain.name: hook for chain in table.chains if (hook := _hook(chain, native=native))}
        self._found: dict[tuple[str, str], frozenset[str]] = {}

    def gap(self, start: str, source: Source) -> str:
        """Why no packet of this source comes to a chain; "" where some does, or where no base chain of its type was read."""
        table = self._table
        if table.dormant:
            return f"table {table.name} is dormant"
        hooks = (_BEFORE if table.name == "nat" or start in _NFT_BEFORE else _LATER)[source]
        kind = ("nat" if start in _NFT_NAT else "filter") if self._native else ""
        read = any(kind == of for of, _ in self._bases.values())
        if not read or any(start in self._from((kind, hook)) for hook in hooks):
            return ""
        named = " or ".join(f"hook {hook}" if self._native else hook.upper() for hook in hooks)
        return f"{named} of table {table.name} does not lead to {start}"

    def chains(self) -> tuple[Chain, ...]:
        """The base chains and those between them and kube-proxy's, of their rules only those that lead to a chain."""
        between = [self._chains[name] for name in self._reached(self._bases) if name not in STARTS]
        return tuple(
            Chain(c.name, tuple(r for r in c.rules if any(t in self._chains for t in self._leads(r))), c.policy, c.hook)
            for c in between
        )

    def _from(self, hook: tuple[str, str]) -> frozenset[str]:
        if hook not in self._found:
            self._found[hook] = frozenset(self._reached(name for name, of in self._bases.items() if of == hook))
        return self._found[hook]

    def _reached(self, names: Iterable[str]) -> dict[str, None]:
        """Chains to which some lead; what kube-proxy's own lead to is not followed."""
        left, found = deque(names), dict[str, None]()
        while left:
            name = left.popleft()
            if name in self._chains and name not in found:
                found[name] = None
                if name not in STARTS:
                    left.extend(target for rule in met(self._chains[name].rules) for target in self._leads(rule))
        return found


def nft_leads(maps: Iterable[Map]) -> Leads:
    """The chains to which a rule of nftables leads, by itself or through one of these maps."""
    elements = {f"@{one.name}": one.elements for one in maps}

    def of_rule(rule: Rule) -> list[str]:
        named = [word for word in rule.spec.split(" ") if word in elements]
        return [*nft_leads_to(rule.spec), *(t for name in named for e in elements[name] for t in nft_leads_to(e.value))]

    return of_rule


def _hook(chain: Chain, *, native: bool) -> tuple[str, str] | None:
    """The type and the hook of a base chain, in lower case; of iptables, whose tables are of one type each, the hook alone."""
    if native:
        found = _HOOK.search(chain.hook)
        return (found[1], found[2]) if found else None
    return ("", chain.name.lower()) if chain.name in HOOKS else None
