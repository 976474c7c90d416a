"""The names of the chains of a saved table."""

from __future__ import annotations

from node_helper.facts import chain_names
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source


def read(files: OfNode, query: chain_names.Query) -> chain_names.Names:
    """``missing`` where this backend was neither saved nor is shown by nft, ``gone`` where it was and has no such table."""
    viewed = saved.nft_view(files, query.backend, query.family)
    ruleset = viewed or saved.wanted(files, query.backend, query.family).ruleset
    for table in ruleset.tables:
        if (table.family, table.name) == (query.family, query.table):
            return chain_names.Names(tuple(chain.name for chain in table.chains))
    found = saved.wanted(files, query.backend, query.family)
    raise saved.not_in(files, found, f"{query.backend} ({query.family}) has no table {query.table!r}")


SOURCE = Source(chain_names.FACT, read)
