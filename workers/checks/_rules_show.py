"""How `rules`, `iptables` and `nftables` show what they saw: trees of chains, endpoints with their chances, saves as files."""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts.backends import Backends
from node_helper.facts.rules_text import Text
from node_helper.protocol import CannotLook
from workers.check import View
from workers.checks._rules_facts import Trees, Ways, counts, drawn, facts, walked
from workers.checks._rules_seen import FAMILIES, Params, Seen, absent, lacking, searched, within
from workers.model import RawFile, Shown, Table
from workers.rules.resolve import Frontend, Path, Route
from workers.rules.steps import Source
from workers.rules.tree import MOST

_FAMILIES = {"ip": "IPv4", "ip6": "IPv6"}
_TREE = ("rule", "packets")
_WAYS = ("destination", "from", "goes to", "how")
_LINES_SHOWN = 60
_NODES_NAMED = 6


def show(params: Params, _view: View, seen: Seen) -> Shown:
    """A service's ways and trees, a chain's tree, or what a node holds."""
    used = sorted({place[1] for place, _ in seen.answers})
    what = f"{seen.service}" if seen.service else ", ".join(seen.nodes)
    where = f" on {_counted(seen)}" if seen.service else ""
    missing = absent(params, seen)
    nothing = (
        f": no {missing}{within(params, seen)}"
        if missing and searched(seen) == seen.nodes and len(lacking(seen)) == len(FAMILIES)
        else ""
    )
    headline = f"{'Rules' if len(seen.of) > 1 or not used else ' and '.join(used)} of {what}{where}{nothing}"
    ways, trees = walked(seen), drawn(params, seen)
    tables = [*_ways(ways), *_trees(trees), *_summaries(seen)]
    files, notes = tuple(_files(params, seen, trees)), tuple(_notes(params, seen, trees))
    return Shown(headline, facts(seen, ways, trees), tuple(tables), files, notes)


def _counted(seen: Seen) -> str:
    return seen.nodes[0] if len(seen.nodes) == 1 else f"{len(seen.nodes)} nodes"


def _ways(ways: Ways) -> Iterator[Table]:
    for place, routes in ways.items():
        rows = tuple(row for frontend, route in routes for row in _way_rows(frontend, route))
        yield Table(f"{place[1]} {_FAMILIES[place[2]]} on {place[0]}", rows, _WAYS)


def _way_rows(frontend: Frontend, route: Route) -> Iterator[tuple[str, ...]]:
    """One row for what is the same from everywhere, else one for each source."""
    said = {source: (_goes(path), _how(path)) for source, path in route.paths.items()}
    if len(set(said.values())) == 1:
        yield str(frontend), "everywhere", *said[Source.POD]
    else:
        yield from ((str(frontend), source.value, *each) for source, each in said.items())


def _goes(path: Path) -> str:
    if not path.endpoints:
        nothing = "; ".join(path.unhooked) or "no rule is about it"
        return {"reject": "refused", "drop": "dropped", "nothing": nothing}.get(path.outcome, "cannot be told")
    return ", ".join(f"{share.endpoint} {share.share:.0%}" for share in sorted(path.endpoints, key=lambda s: s.endpoint))


def _how(path: Path) -> str:
    sticky = f"sticky for {path.sticky_s} s" if path.sticky_s is not None else ""
    admitted = f"only from {', '.join(path.admitted)}" if path.admitted else ""
    only_to = f"only to {', '.join(path.only_to)}" if path.only_to else ""
    return ", ".join(filter(None, ("masqueraded" if path.masqueraded else "", sticky, admitted, only_to)))


def _trees(trees: Trees) -> Iterator[Table]:
    for place, found in trees.items():
        rows = tuple(("  " * one.depth + one.text, "" if one.packets is None else str(one.packets)) for one in found)
        if rows:
            width = 2 if any(packets for _, packets in rows) else 1  # kube-proxy's nftables rules have no counters
            shown = tuple(row[:width] for row in rows[:_LINES_SHOWN])
            yield Table(f"Chains in {place[1]} {_FAMILIES[place[2]]} on {place[0]}", shown, _TREE[:width])


def _summaries(seen: Seen) -> Iterator[Table]:
    rows = []
    for node in seen.nodes:
        rows += [
            (
                node,
                t.backend,
                _FAMILIES.get(t.family, t.family),
                t.name,
                "yes" if t.rules else "no",
                "yes" if t.services else "no",
            )
            for t in seen.tables(node)
            if seen.service is None
        ]
    if rows:
        yield Table("Tables", tuple(rows), ("node", "backend", "family", "table", "rules on its hooks", "kube-proxy's"))
    for (node, backend, family), answer in seen.texts.items():
        if isinstance(answer, Text):
            counted = tuple((name, str(number)) for name, number in counts(answer, backend).items())
            yield Table(f"{backend} {_FAMILIES[family]} on {node}", (("command", " ".join(answer.argv)), *counted))


def _files(params: Params, seen: Seen, trees: Trees) -> Iterator[RawFile]:
    saves = {
        f"{node}.{_save_name(backend, family, text, whole=not params.table and not text.cut)}": text.text
        for (node, backend, family), text in seen.texts.items()
        if isinstance(text, Text)
    }
    yield from (RawFile(name, text) for name, text in saves.items())
    for (node, backend, family), found in trees.items():
        if found:
            said = "".join(f"{'  ' * one.depth}{one.text}" + _packets(one.packets) + "\n" for one in found)
            yield RawFile(f"{node}.{_file_name(backend, family)}.tree.txt", said)


def _packets(packets: int | None) -> str:
    return "" if packets is None else f"  [{packets} packets]"


def _save_name(backend: str, family: str, text: Text, *, whole: bool) -> str:
    """A part is named so, lest `check --from` take it for the whole."""
    name, kind = ("nft", "json") if text.text.startswith("{") else (_file_name(backend, family), "txt")
    return f"{name}.{kind}" if whole else f"{name}.part.{kind}"


def _file_name(backend: str, family: str) -> str:
    """As saved folders name them: `check --from` reads what `--files` wrote."""
    prefix = f"{family}tables-" if backend.startswith("iptables") else ""
    return {"iptables-nft": f"{prefix}save-c", "iptables-legacy": f"{prefix}legacy-save-c"}.get(backend, f"nft-{family}")


def _notes(params: Params, seen: Seen, trees: Trees) -> Iterator[str]:
    yield from _unused(seen)
    yield from _shortened(trees)
    for node in seen.nodes:
        known = seen.backends[node]
        if not isinstance(known, Backends):
            continue
        if known.ipvs:
            yield f"{node} has virtual servers in IPVS: `ipvs {seen.service or node}` shows them."
    for (node, backend, family), chain in seen.chains.items():
        if isinstance(chain, CannotLook) and chain.kind == "gone":
            in_table = f" in table {params.table}" if params.table else ""
            yield f"{backend} {_FAMILIES[family]} on {node} has no chain {params.chain}{in_table}."
    for (node, backend, family), answer in (*seen.found.items(), *seen.texts.items()):
        untold = params.table is None and seen.unlisted((node, backend, family))
        gone = isinstance(answer, CannotLook) and answer.kind == "gone" and not absent(params, seen).startswith("table ")
        if isinstance(answer, CannotLook) and (untold or gone):
            yield f"{backend} on {node}: {answer.reason.removeprefix(f'{node}: ')}."
        elif isinstance(answer, Text) and answer.cut:
            yield f"The file of {backend} on {node} ends at {len(answer.text) / 2**20:.0f} MiB: what follows was cut."


def _unused(seen: Seen) -> Iterator[str]:
    """One sentence for each backend, however many nodes do not use it."""
    known = {node: held for node, held in seen.backends.items() if isinstance(held, Backends)}
    for backend in seen.of:
        without = [node for node, held in known.items() if not any(t.backend == backend for t in held.tables)]
        if without:
            more = f" and {len(without) - _NODES_NAMED} more nodes" if len(without) > _NODES_NAMED else ""
            there = "there" if len(without) == 1 else "on any of them"
            which = "no table of ip or ip6" if backend == "nftables" else "no table"  # those of inet were not asked for
            nodes = f"{', '.join(without[:_NODES_NAMED])}{more}"
            if seen.saved:
                yield f"What was saved of {nodes} shows {which} in {backend}."
            else:
                yield f"{backend} is not in use on {nodes}: it has {which} {there}."


def _shortened(trees: Trees) -> Iterator[str]:
    for (node, backend, family), found in trees.items():
        count = len(found)
        what = f"{backend} {_FAMILIES[family]} on {node}"
        if count >= MOST:
            yield f"The tree of {what} ends after {MOST:,} lines: ask for one service, or chain=."
        elif count > _LINES_SHOWN:
            yield f"The first {_LINES_SHOWN} of {count} lines of {what} are shown; the file has all."
