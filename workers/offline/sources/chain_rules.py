"""One chain of saved rules, and those to which it leads."""

from __future__ import annotations

from node_helper.facts import chain_rules
from node_helper.netfilter.records import Ruleset
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source
from workers.rules import part


def read(files: OfNode, query: chain_rules.Query) -> Ruleset:
    """``missing`` where this backend was not saved, ``gone`` where it was and has no such chain."""
    found = saved.wanted(files, query.backend, query.family)
    around = part.around(found.ruleset, query.family, query.table, query.chain)
    if around is None:
        reason = f"{query.backend} ({query.family}) has no chain {query.chain[:80]!r} in table {query.table[:80]!r}"
        raise saved.not_in(files, found, reason)
    return around


SOURCE = Source(chain_rules.FACT, read)
