"""One chain of saved rules, and those to which it leads."""

from __future__ import annotations

from node_helper.facts import chain_rules
from node_helper.netfilter.records import Ruleset
from node_helper.protocol import CannotLook
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source
from workers.rules import part


def read(files: OfNode, query: chain_rules.Query) -> Ruleset:
    """``missing`` where this backend was not saved, ``gone`` where it was, or nft shows it, and has no such chain."""
    reason = f"{query.backend} ({query.family}) has no chain {query.chain[:80]!r} in table {query.table[:80]!r}"
    viewed = saved.nft_view(files, query.backend, query.family)
    if viewed and part.around(viewed, query.family, query.table, query.chain) is None:
        raise CannotLook(reason, kind="gone")
    found = saved.wanted(files, query.backend, query.family)
    around = part.around(found.ruleset, query.family, query.table, query.chain)
    if around is None:
        raise saved.not_in(files, found, reason)
    return around


SOURCE = Source(chain_rules.FACT, read)
