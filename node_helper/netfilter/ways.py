"""The way from a table's base chains to chains that somebody asks for, read no further than it takes to know that it is there."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Callable, Collection, Iterable, Optional

from node_helper.netfilter.about import met
from node_helper.netfilter.records import Chain, Rule

MOST = 256
"""Chains between them. Where more hang on a hook none is told, so that nobody takes the way for missing."""


def ways(
    bases: Iterable[str], to: Collection[str], chain: Callable[[str], Optional[Chain]], leads: Callable[[Rule], Iterable[str]]
) -> list[Chain]:
    """Base chains, of their rules those that lead on; what lies behind is read where no rule of a chain leads there itself."""
    found: dict[str, Chain] = {}
    left = deque(bases)
    while left:
        name = left.popleft()
        one = None if name in found or name in to else chain(name)
        if one is None:
            continue
        if len(found) >= MOST:
            return []
        found[name] = replace(one, rules=tuple(rule for rule in met(one.rules) if any(leads(rule))))
        targets = [target for rule in found[name].rules for target in leads(rule)]
        if not any(target in to for target in targets):
            left.extend(targets)
    return list(found.values())
