"""Which backends a node uses, by the files that were saved of it."""

from __future__ import annotations

from node_helper.facts import backends
from workers.ipvs.saved import parse
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source
from workers.offline.sources.ipvs import FILE as IPVS


def read(files: OfNode, _query: backends.Query) -> backends.Backends:
    """The tables that the files hold. ``missing`` where no rules were saved, or none about services of which others may be."""
    told = [table for each in saved.of_node(files) for table in saved.filter_tables(each)]
    tables = (*told, *saved.shown_by_nft(files))
    servers = bool(files.parsed(IPVS, parse)) if files.has(IPVS) else None
    if not servers and not any(table.services for table in tables):
        saved.refuse_hidden(files)
    return backends.Backends(tables, ipvs=servers)


SOURCE = Source(backends.FACT, read)
