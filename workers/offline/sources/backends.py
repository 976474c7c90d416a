"""Which backends a node uses, by the files that were saved of it."""

from __future__ import annotations

from node_helper.facts import backends
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source


def read(files: OfNode, _query: backends.Query) -> backends.Backends:
    """The tables that the files hold. ``missing`` where no rules were saved."""
    tables = tuple(table for each in saved.of_node(files) for table in saved.filter_tables(each))
    return backends.Backends(tables, ipvs=True if files.has("ipvsadm.txt") else None)


SOURCE = Source(backends.FACT, read)
