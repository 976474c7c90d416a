"""Every saved rule of one backend and family."""

from __future__ import annotations

from node_helper.facts import all_rules
from node_helper.netfilter.records import Ruleset
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source


def read(files: OfNode, query: all_rules.Query) -> Ruleset:
    """The tables of the file (of nftables kube-proxy's), or the one that is wanted; none where the backend was not saved."""
    found = saved.one(files, query.backend, query.family)
    if found is None:
        return Ruleset(query.backend, ())
    told = [t for t in saved.filter_tables(found) if query.table in (None, t.name)]
    tables = {t.name for t in told if query.table or t.backend != "nftables" or t.services}
    wanted = [t for t in found.ruleset.tables if t.family == query.family and t.name in tables]
    return Ruleset(query.backend, tuple(wanted))


SOURCE = Source(all_rules.FACT, read)
