"""What the `conntrack` check shows: the fill and the counters, totals, destinations and flows, or what happened in a while."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node_helper import codec
from node_helper.conntrack.flow import Direction, Flow
from node_helper.conntrack.wants import Which
from node_helper.facts.conntrack import Conntrack
from node_helper.facts.kernel_log import KernelLog
from node_helper.facts.sysctl_files import SysctlFiles
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import Samples, View
from workers.checks._conntrack_seen import Seen, Watched, per_cpu, totals
from workers.model import RawFile, Shown, Table

_ROWS = 15
_WHILE_HEARD = 2  # nf_conntrack_events


def show(params: object, view: View, seen: Seen) -> Shown:  # noqa: ARG001  (every show takes them)
    """Tables for the message, the lines as a file."""
    where = seen.where
    if seen.unused:
        return Shown(f"conntrack is not in use on {where.node}", _subject(seen), notes=(seen.unused,))
    table = seen.table if isinstance(seen.table, Conntrack) else None
    watched = seen.watched if isinstance(seen.watched, Watched) else None
    tables = (*_state(seen), *(_contents(view, table) if table else ()), *(_events(view, watched) if watched else ()))
    return Shown(
        _headline(seen, table, watched),
        {**_subject(seen), **_facts(seen, table, watched)},
        tables,
        tuple(_files(seen, table, watched)),
        tuple(_notes(seen, table, watched)),
    )


def _subject(seen: Seen) -> dict[str, Any]:
    return {"node": seen.where.node, "pod": str(seen.where.pod) if seen.where.pod else None, "in_use": _in_use(seen)}


def _in_use(seen: Seen) -> bool | None:
    """By the counters, else by flows or events that there are; None where neither tells."""
    if seen.now or seen.unused:
        return seen.now is not None
    flows = isinstance(seen.table, Conntrack) and (seen.table.flows or seen.table.seen)
    return True if flows or (isinstance(seen.watched, Watched) and seen.watched.events) else None


def _headline(seen: Seen, table: Conntrack | None, watched: Watched | None) -> str:
    stats, said = seen.now, _said(seen.which)
    of = f"{seen.where.pod} on {seen.where.node}" if seen.where.pod else seen.where.node
    if watched:
        return f"{of}: {watched.new:,} flows began, {watched.destroyed:,} ended{said} in {seen.watched_s:g} s"
    held = f"{table.flows:,} flows{said} of " if table and (said or seen.where.pod) else ""
    return f"{of}: {held}{stats.count:,} entries, maximum {stats.maximum:,}" if stats else f"{of}: conntrack"


def _said(which: Which) -> str:
    words = (("src", which.src), ("dst", which.dst), ("proto", which.protocol), ("port", which.port), ("state", which.state))
    said = " ".join(f"{name}={value}" for name, value in words if value is not None)
    return f" with {said}" if said else ""


def _state(seen: Seen) -> tuple[Table, ...]:
    stats = seen.now
    if stats is None:
        return ()
    fill = f" ({stats.count / stats.maximum:.1%})" if stats.maximum else ""
    rows = [
        ("entries", f"{stats.count:,} of {stats.maximum:,}{fill}"),
        ("buckets", f"{stats.buckets:,}" if stats.buckets else "?"),
    ]
    since = totals(stats)
    rows += [
        (name, f"{since[name]:,}, now {seen.risen[name] / seen.apart:.1f}/s") for name in since if since[name] and seen.apart
    ]
    if seen.files is not None:
        rows.append(("maximum persisted in", _persisted(seen.files)))
    return (Table("Conntrack", tuple(rows)),)


def _persisted(files: SysctlFiles | CannotLook) -> str:
    if isinstance(files, CannotLook):
        return f"could not be seen: {files.reason}"
    if files.wins is None:
        return "no sysctl file"
    only = f"; at start only if {files.late} is loaded before, which no file of modules-load.d does" if files.late else ""
    return f"{files.wins.path}:{files.wins.line} ({files.wins.value}){only}"


def _contents(view: View, table: Conntrack) -> tuple[Table, ...]:
    states = tuple((t.protocol, t.state or "-", f"{t.flows:,}", f"{t.unreplied:,}", f"{t.assured:,}") for t in table.by_state)
    to = tuple((d.protocol, _named(view, d.address, d.port), f"{d.flows:,}", f"{d.unreplied:,}") for d in table.destinations)
    flows = tuple(_row(f) for f in table.first)
    tables = (
        Table("By protocol and state", states[:_ROWS], ("protocol", "state", "flows", "unreplied", "assured")),
        Table("Top destinations", to[:_ROWS], ("protocol", "destination", "flows", "unreplied")),
        Table(
            "Flows" if table.flows <= _ROWS else f"Flows, {_ROWS} of {table.flows:,}",
            flows[:_ROWS],
            ("protocol", "state", "from", "to", "answers from", "status"),
        ),
    )
    return tuple(t for t in tables if t.rows)


def _events(view: View, watched: Watched) -> tuple[Table, ...]:
    most = _commonest(watched)[:_ROWS]
    rows = tuple((e, p, _named(view, address, port), str(n), str(lost)) for (e, p, address, port), (n, lost) in most)
    return (Table("Events", rows, ("event", "protocol", "destination", "events", "never answered")),) if rows else ()


def _commonest(watched: Watched) -> list[tuple[tuple[str, str, str, int | None], tuple[int, int]]]:
    return sorted(watched.happened.items(), key=lambda item: (-item[1][0], item[0][:3], item[0][3] or 0))


def _row(flow: Flow) -> tuple[str, ...]:
    status = ", ".join(s for s in flow.status if s not in ("CONFIRMED", "SEEN_REPLY"))
    unreplied = "" if "SEEN_REPLY" in flow.status else "UNREPLIED"
    state = flow.state or "-"
    there, back = flow.original, flow.reply
    return flow.protocol, state, _at(there, there.src, there.sport), _at(there, there.dst, there.dport), _at(
        back, back.src, back.sport
    ), ", ".join(filter(None, (unreplied, status))) or "-"  # fmt: skip


def _at(direction: Direction, address: str, port: int | None) -> str:
    if port is not None:
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return f"{address} id {direction.icmp_id}" if direction.icmp_id is not None else address


def _named(view: View, address: str, port: int | None) -> str:
    service = findings.address_of(view, address)
    where = f"[{address}]" if ":" in address and port is not None else address
    return f"{where}{'' if port is None else f':{port}'}{f' ({service})' if service else ''}"


def _files(seen: Seen, table: Conntrack | None, watched: Watched | None) -> list[RawFile]:
    """A part of a table is named so, lest `check --from` take it for the whole."""
    if table and table.lines:
        whole = seen.which == Which() and table.shown == table.flows and not table.cut
        return [RawFile(f"{seen.where.node}.conntrack{'' if whole else '.part'}.txt", table.lines)]
    return [RawFile(f"{seen.where.node}.conntrack-events.txt", watched.lines)] if watched and watched.lines else []


def _notes(seen: Seen, table: Conntrack | None, watched: Watched | None) -> list[str]:
    notes = [seen.where.note] if seen.where.note else []
    if table and table.cut:
        of = f" of {seen.now.count:,}" if seen.now else ""
        notes.append(
            f"Cut: the node read {table.flows:,}{of} entries in the time that it gives; totals and file are about these."
        )
    if table and table.shown < table.flows:
        notes.append(
            f"The file holds the first {table.shown:,} of {table.flows:,} flows; dst=, src=, proto=, port= or state= narrow it."
        )
    if table and table.forgotten:
        notes.append(f"{table.forgotten:,} flows go to destinations too rare to be counted one by one.")
    if table and table.seen > table.flows:
        notes.append(f"Chosen on the node by netcheck from {table.seen:,} entries: the kernel does not choose by this.")
    if watched:
        notes += _notes_on_events(seen, watched)
    if isinstance(seen.log, KernelLog) and seen.log.lines:
        last = seen.log.lines[-1]
        others = "" if last.netns in (None, seen.log.own_netns) else " (not the node's own namespace)"
        notes.append(f"Kernel log ({seen.log.source}): {last.at} {last.text}{others}")
    return notes


def _notes_on_events(seen: Seen, watched: Watched) -> Iterator[str]:
    if seen.watched_s < seen.meant_s:
        yield f"Stopped after {seen.watched_s:g} of {seen.meant_s:g} s."
    if watched.shown < watched.events:
        yield f"The file holds the first {watched.shown:,} of {watched.events:,} events."
    if watched.lossy:
        yield f"The kernel dropped events in {watched.lossy} of {watched.moments} half seconds: the counts are too low."
    if watched.rare:
        of = "were towards destinations that are rare in their half second; the counts of destinations lack them"
        yield f"{watched.rare:,} of {watched.events:,} events {of}."
    if seen.now and seen.now.events == _WHILE_HEARD:
        untold = "of a flow that began while nobody listened the kernel tells neither change nor end"
        yield f"nf_conntrack_events is {_WHILE_HEARD}: {untold}, so more may have ended than is said."


def _facts(seen: Seen, table: Conntrack | None, watched: Watched | None) -> dict[str, Any]:
    stats = seen.now
    facts: dict[str, Any] = {}
    if stats:
        rates = {
            name: {"total": n, "per_s": round(seen.risen[name] / seen.apart, 3)}
            for name, n in totals(stats).items()
            if seen.apart
        }
        facts |= {"count": stats.count, "maximum": stats.maximum, "buckets": stats.buckets, "counters": rates}
        facts["accounting"] = None if stats.accounting is None else bool(stats.accounting)
    if isinstance(seen.stats, Samples):
        facts["cpus"] = [{"cpu": cpu, "counters": rates} for cpu, rates in per_cpu(seen.stats).items()]
    if table:
        facts |= {"flows": table.flows, "shown": table.shown, "translated": table.translated, "chosen_by_kernel": table.by_kernel}
        facts["cut"] = table.cut
        facts |= {name: codec.encode(getattr(table, name)) for name in ("by_state", "destinations", "first")}
    if watched:
        facts |= {"new": watched.new, "updated": watched.updated, "destroyed": watched.destroyed, "lossy": watched.lossy}
        facts["rare"] = watched.rare
        facts |= {"seconds": seen.watched_s, "events": watched.events, "shown": watched.shown}
        facts["happened"] = [
            {"event": event, "protocol": protocol, "address": address, "port": port, "events": n, "unreplied": lost}
            for (event, protocol, address, port), (n, lost) in _commonest(watched)
        ]
    if isinstance(seen.log, KernelLog):
        facts["kernel_log"] = codec.encode(seen.log)
    if seen.files is not None:
        facts["persisted"] = codec.encode(seen.files) if isinstance(seen.files, SysctlFiles) else None
    return facts
