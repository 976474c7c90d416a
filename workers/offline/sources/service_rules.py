"""What saved rules do with some destinations."""

from __future__ import annotations

from node_helper.facts import service_rules
from node_helper.netfilter.records import Ruleset
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source
from workers.rules import part


def read(files: OfNode, query: service_rules.Query) -> Ruleset:
    """The part of the file that is about them; no table where the backend was not saved."""
    found = saved.one(files, query.backend, query.family)
    return part.about(found.ruleset, query.family, query.only) if found else Ruleset(query.backend, (), partial=True)


SOURCE = Source(service_rules.FACT, read)
