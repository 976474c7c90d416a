"""The names of the chains of a saved table."""

from __future__ import annotations

from node_helper.facts import chain_names
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source


def read(files: OfNode, query: chain_names.Query) -> chain_names.Names:
    """``missing`` where this backend was not saved, ``gone`` where it was and has no such table."""
    found = saved.wanted(files, query.backend, query.family)
    for table in found.ruleset.tables:
        if (table.family, table.name) == (query.family, query.table):
            return chain_names.Names(tuple(chain.name for chain in table.chains))
    raise saved.not_in(files, found, f"{query.backend} ({query.family}) has no table {query.table!r}")


SOURCE = Source(chain_names.FACT, read)
