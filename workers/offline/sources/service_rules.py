"""What saved rules do with some destinations."""

from __future__ import annotations

from node_helper.facts import service_rules
from node_helper.netfilter.records import Ruleset
from node_helper.protocol import CannotLook
from workers.offline.rules import saved
from workers.offline.source import OfNode, Source
from workers.rules import part
from workers.rules.resolve import NFT_TABLE, Frontend, Rules


def read(files: OfNode, query: service_rules.Query) -> Ruleset:
    """The part of the file that is about them. ``missing`` where a table that was not saved may hold what is done with them."""
    found = saved.wanted(files, query.backend, query.family)
    about = part.about(found.ruleset, query.family, query.only)
    if untold := _untold(about, query):
        name = files.file(found.file)
        reason = f"{name} does not hold table {query.family} {untold}"
        raise CannotLook(reason, kind="missing", fix=f"Save the whole of it as {name}, not some tables, and run this again.")
    return about


def _untold(about: Ruleset, query: service_rules.Query) -> str:
    """The table that was not saved and counts; "" for none. The filter counts for what the address translation leaves alone."""
    there = {table.name for table in about.tables}
    first = NFT_TABLE if query.backend == "nftables" else "nat"
    if first not in there:
        return first
    if query.backend == "nftables" or "filter" in there:
        return ""
    routes = [Rules(about).route(Frontend(query.family, d.address, d.port, d.protocol)) for d in query.only]
    return "filter" if any(path.outcome == "nothing" for route in routes for path in route.paths.values()) else ""


SOURCE = Source(service_rules.FACT, read)
