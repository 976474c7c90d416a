"""What would be signed, in lines that are made of the targets alone: the words and tables beside them are a worker's. Pure."""

from __future__ import annotations

from collections import defaultdict

from node_helper.changes.plan import Target
from workers.changes.proposal import Draft

_LINES, _NODES = 6, 8


def lines(draft: Draft) -> tuple[str, ...]:
    """Each different change with its nodes, that of the fewest nodes first, so that none hides among many; then for how long."""
    by_change: defaultdict[str, list[str]] = defaultdict(list)
    for target in draft.targets:
        by_change[_changed(draft.key, target)].append(target.node)
    ordered = sorted(by_change.items(), key=lambda item: (len(item[1]), item[0]))
    shown = [f"{change} on {_named(nodes)}" for change, nodes in ordered[:_LINES]]
    left = sum(len(nodes) for _, nodes in ordered[_LINES:])
    more = [f"and {left} more nodes, each changed in another way than those"] if left else []
    back = f"each node puts it back by itself after {draft.hold_s} s" if draft.hold_s else "it stays until it is undone"
    return (*shown, *more, back)


def _changed(key: str, target: Target) -> str:
    before, after = target.before, target.after
    buckets = "" if before.buckets == after.buckets else f", buckets {before.buckets} → {after.buckets}"
    file = "" if before.persisted == after.persisted else ", over reboots too" if after.persisted else ", and its file goes"
    return f"{key.rpartition('.')[2]} {before.value} → {after.value}{buckets}{file}"


def _named(nodes: list[str]) -> str:
    more = f" and {len(nodes) - _NODES} more nodes" if len(nodes) > _NODES else ""
    return f"{', '.join(nodes[:_NODES])}{more}"
