"""What the `dns` check shows: the search path with the queries that it costs, and the ways to the server side by side."""

from __future__ import annotations

from typing import Any

from node_helper.facts.dns_pair import DnsPair
from node_helper.protocol import CannotLook
from workers.check import View
from workers.checks._dns_judge import Answer
from workers.checks._dns_seen import Params, Seen
from workers.checks._dns_ways import Pair, Way, Ways
from workers.model import Shown, Table

_MOST_RECORDS = 6


def show(params: Params, _view: View, seen: Seen) -> Shown:
    """One row a query, and the name at which the resolver stops is marked; one row a way."""
    chosen = seen.chosen
    headline = f"{params.name} {params.type} asked of {seen.server or 'no server'} from inside {seen.inside.pod}"
    facts: dict[str, Any] = {
        "name": str(params.name), "type": params.type, "from": str(seen.inside.pod), "server": seen.server or None,
        "answer": [r.data for r in chosen[1].records] if chosen else [],
        "queries": seen.queries, "search_path": list(seen.names), "stops_at": seen.stop or None,
        "steps": [{"name": step.name, "type": step.type, **_fact(tries)} for step, tries in seen.steps.items()],
        "ways": [_way(way, tries) for way, tries in seen.ways.tries.items()] if seen.ways else [],
        "one_socket": [_pair(s, pairs[-1]) for s, pairs in seen.ways.pairs.items()] if seen.ways else [],
    }  # fmt: skip
    tables = (_steps(seen), _ways(seen.ways)) if seen.ways else ()
    return Shown(headline, facts, tuple(table for table in tables if table.rows), notes=_notes(seen))


def _steps(seen: Seen) -> Table:
    tried = seen.tried
    marks = {seen.stop: "→", **{name: "not needed" for name in seen.names if name not in tried}}
    rows = [(marks.get(step.name, ""), str(step), *_row(tries)) for step, tries in seen.steps.items()]
    title = f"Search path: {len(tried)} of {len(seen.names)} names needed, which costs the pod {seen.queries} queries"
    return Table(title, tuple(rows), ("", "query", "rcode", "answer", "time"))


def _ways(ways: Ways) -> Table:
    rows = [(str(way), *_row(tries)) for way, tries in ways.tries.items()]
    for server, pairs in ways.pairs.items():
        last = pairs[-1]
        both = (("A", last.a), ("AAAA", last.aaaa)) if isinstance(last, DnsPair) else (("A and AAAA", last),)
        rows += [(f"nameserver {server}, one socket: {kind}", *_row((answer,))) for kind, answer in both]
    return Table(f"Ways to the DNS, for {ways.name}", tuple(rows), ("way", "rcode", "answer", "time"))


def _row(tries: tuple[Answer, ...]) -> tuple[str, str, str]:
    answer = tries[-1]
    if isinstance(answer, CannotLook):
        return "?", answer.reason, "-"
    said = ", ".join(f"{r.type} {r.data}" for r in answer.records[:_MOST_RECORDS]) or "no records"
    more = f" and {len(answer.records) - _MOST_RECORDS} more" if len(answer.records) > _MOST_RECORDS else ""
    edns = f", EDNS {answer.edns}" if answer.edns else ", no EDNS"
    size = f" ({answer.size} bytes over {answer.transport.upper()}{edns})"
    again = ", asked twice" if len(tries) > 1 else ""
    rcode = (answer.rcode if answer.outcome == "answered" else answer.outcome) + again
    return rcode, said + more + size if answer.outcome == "answered" else "-", f"{answer.seconds * 1000:.1f} ms"


def _notes(seen: Seen) -> tuple[str, ...]:
    ways = seen.ways
    more = f"{ways.unasked} more DNS pods were not asked." if ways and ways.unasked else ""
    rest = ", ".join(server for server in ways.servers if server != seen.server and server not in ways.asked) if ways else ""
    next_ones = f"Not asked: {rest}, to which the resolver turns where {seen.server} does not answer." if rest else ""
    alone = f"{seen.server} is no service that is seen here: only the search path was asked." if ways and not ways.tries else ""
    return tuple(filter(None, (seen.inside.note, more, next_ones, alone)))


def _way(way: Way, tries: tuple[Answer, ...]) -> dict[str, Any]:
    kind = "dns pod" if way.replica else "nameserver"
    return {"way": kind, "pod": way.replica or None, "server": way.server, "over": way.transport, **_fact(tries)}


def _pair(server: str, pair: Pair) -> dict[str, Any]:
    answers = {"A": pair.a, "AAAA": pair.aaaa} if isinstance(pair, DnsPair) else {"A": pair, "AAAA": pair}
    return {"server": server, **{kind: _fact((answer,)) for kind, answer in answers.items()}}


def _fact(tries: tuple[Answer, ...]) -> dict[str, Any]:
    answer = tries[-1]
    if isinstance(answer, CannotLook):
        return {"outcome": None, "why": answer.reason}
    records = [{"name": r.name, "type": r.type, "ttl": r.ttl, "data": r.data} for r in answer.records]
    return {
        "outcome": answer.outcome, "rcode": answer.rcode, "transport": answer.transport, "truncated": answer.truncated,
        "edns": answer.edns, "size": answer.size, "seconds": answer.seconds, "asked": len(tries), "records": records,
    }  # fmt: skip
