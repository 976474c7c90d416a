"""What the listings of objects have in common: whose objects, and how old."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar

from workers import findings
from workers.check import View
from workers.errors import Unresolved
from workers.model import Shown, Table
from workers.objects import Pod, Service
from workers.params import Namespace

N = TypeVar("N", Pod, Service)
_STEPS = ((86400 * 2, 86400, "d"), (3600 * 2, 3600, "h"), (60 * 2, 60, "m"))


def within(view: View, namespace: Namespace | None, objects: Iterable[N]) -> tuple[N, ...]:
    """The objects of a namespace (the view's own where none is named, or `all`), sorted. Raises `Unresolved`."""
    name = namespace.name if namespace else view.namespace
    found = sorted((o for o in objects if name in ("all", o.namespace)), key=lambda o: o.key)
    if not found and namespace and name != "all" and not view.cluster.behind:
        known = {key[0] for key in (*view.cluster.pods, *view.cluster.services)}
        if name not in known:
            raise Unresolved(f"Nothing runs in a namespace {name}", said=name, candidates=tuple(sorted(known)[:10]))
    return tuple(found)


def listing(
    view: View, what: str, namespace: Namespace | None, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]
) -> Shown:
    """A table of objects; in the JSON each row is an object keyed by the columns, null where the kind was never read."""
    name = str(namespace or view.namespace)
    where = "all namespaces" if name == "all" else name
    if findings.unread(view, what):
        return Shown(f"{what} in {where}: not read", {what: None})
    facts = {what: [dict(zip(columns, row, strict=True)) for row in rows]}
    count = f"1 {what.removesuffix('s')}" if len(rows) == 1 else f"{len(rows)} {what}"
    notes = () if rows or name == "all" else (f"`{what} in all` lists those of every namespace.",)
    return Shown(f"{count} in {where}", facts, (Table(what.capitalize(), rows, columns),), notes=notes)


def age(created: str, now: str) -> str:
    """The time between two RFC 3339 times as kubectl shortens it: 5d, 3h, 12m, 40s; "" where it is not known."""
    if not created:
        return ""
    seconds = (_time(now) - _time(created)).total_seconds()
    for least, unit, letter in _STEPS:
        if seconds >= least:
            return f"{int(seconds // unit)}{letter}"
    return f"{max(0, int(seconds))}s"


def _time(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
