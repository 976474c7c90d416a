"""What became of a change, node by node, and what was seen of the nodes afterwards, as a report. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from node_helper import codec
from node_helper.changes.plan import Plan, Target
from workers.changes._afterwards import afterwards
from workers.changes.came import SIGNS, said
from workers.changes.carry_out import Result
from workers.check import Samples
from workers.model import Confidence, Evidence, Finding, Report, Severity, Shown, Table

_BAD = {
    "refused": (Severity.PROBLEM, "change-refused"),
    "failed": (Severity.PROBLEM, "change-failed"),
    "unreachable": (Severity.UNKNOWN, "change-unknown"),
}


@dataclass(frozen=True)
class Carried:
    """All that the report is made from. `now` is RFC 3339, UTC."""

    plan: Plan
    result: Result
    command: str
    took_s: float
    watch_s: float
    now: str


def report(carried: Carried) -> Report:
    """The report; the nodes in the order in which they were approved."""
    found = sorted(_findings(carried), key=lambda f: -f.severity.rank)
    asked = tuple(c.end.node for c in carried.result.came if c.end.ended != "skipped")
    plan = carried.plan
    return Report(carried.command, plan.cluster, round(carried.took_s, 3), asked, tuple(found), _shown(carried))


def _shown(carried: Carried) -> Shown:
    plan, came = carried.plan, carried.result.came
    done = sum(c.end.ended == "done" for c in came)
    doing = "taken back" if plan.undoes else "carried out"
    headline = f"Approval {plan.approval}, {doing} on {done} of {_nodes(len(came))} of {plan.cluster}"
    rows = tuple(
        (c.end.node, f"{SIGNS[c.end.ended]} {c.end.ended}", f"{t.before.value:,} → {t.after.value:,}", c.end.undo_at or "-")
        for c, t in zip(came, plan.targets, strict=True)
    )
    table = Table("Nodes", rows, ("node", "what became of it", "conntrack_max", "goes back by itself at"))
    facts = {"approval": plan.approval, "nonce": plan.nonce, "nodes": [codec.encode(c.end) for c in came]}
    notes = (f"Stopped: {carried.result.stopped}.",) if carried.result.stopped else ()
    return Shown(headline, facts, (table,), notes=notes)


def _findings(carried: Carried) -> Iterator[Finding]:
    plan, result = carried.plan, carried.result
    for target, came in zip(plan.targets, result.came, strict=True):
        end = came.end
        if end.ended in _BAD:
            severity, id_ = _BAD[end.ended]
            yield _finding(carried, id_, severity, f"{end.node}: {said(end)}", f"answer of {end.node}", end.reason, end.node)
        elif end.ended == "done" and came.surprise:
            yield _finding(
                carried, "change-not-kept", Severity.PROBLEM, f"{end.node}: {said(end)}", f"nf_conntrack_max of {end.node}",
                end.reason, end.node,
            )  # fmt: skip
        for warning in came.warnings:
            yield _finding(carried, "change-warning", Severity.WARNING, warning, f"helper of {end.node}", warning, end.node)
        yield from afterwards(result, target, carried.watch_s, carried.now)
    yield from _skipped(carried)
    yield from _made(carried)


def _made(carried: Carried) -> Iterator[Finding]:
    both = zip(carried.plan.targets, carried.result.came, strict=True)
    kept = [t for t, c in both if c.end.ended == "done" and not c.surprise and not _set_since(carried.result, t)]
    if kept:
        steps = Counter(f"{t.before.value} → {t.after.value}" for t in kept)
        value = " and ".join(sorted({f"{t.after.value:,}" for t in kept}))
        yield Finding(
            id="change-made",
            severity=Severity.HEALTHY,
            claim=f"conntrack_max is {value} on {', '.join(t.node for t in kept)}",
            evidence=tuple(
                Evidence(f"nf_conntrack_max, read back on {_nodes(n)}", step, carried.now) for step, n in steps.items()
            ),
            disprove="Another value there now.",
            fix="Undo takes it back, under the same rules.",
        )


def _set_since(result: Result, target: Target) -> bool:
    """Whether something has set it again while it was watched."""
    after = result.after.get(target.node)
    return isinstance(after, Samples) and after.second.maximum != target.after.value


def _nodes(number: int) -> str:
    return f"{number} node{'s' if number > 1 else ''}"


def _skipped(carried: Carried) -> Iterator[Finding]:
    names = [c.end.node for c in carried.result.came if c.end.ended == "skipped"]
    if names:
        claim = f"Not asked, and as before: {', '.join(names)}"
        yield _finding(carried, "change-skipped", Severity.WARNING, claim, "why it stopped", carried.result.stopped, "")


def _finding(  # noqa: PLR0913, PLR0917  (a finding has as many parts)
    carried: Carried, id_: str, severity: Severity, claim: str, source: str, value: str, node: str
) -> Finding:
    return Finding(
        id=id_,
        severity=severity,
        confidence=Confidence.CANNOT_TELL if severity is Severity.UNKNOWN else Confidence.CONFIRMED,
        claim=claim,
        evidence=(Evidence(source, value or "-", carried.now),),
        disprove="Another answer of the node." if node else "Another value there.",
        fix="Look at the node, then ask for the change again." if node else "Ask for the change on these once more.",
        node=node,
    )
