"""The plan of `set` in tables, for the report and for the approvers' card, and its targets. Pure."""

from __future__ import annotations

from typing import Any

from node_helper import codec
from node_helper.changes.plan import Setting, Target
from node_helper.facts.change_state import ChangeState
from node_helper.facts.sysctl_files import SysctlFiles
from workers.changes import _kube_proxy as arithmetic
from workers.changes._set_seen import (
    ENTRY_BYTES,
    EXTENSION_BYTES,
    FILE,
    One,
    Seen,
    Wish,
    before_and_after,
    memory,
    proxy_settings,
)
from workers.check import View
from workers.model import Shown, Table
from workers.render.numbers import size, span

_CHANGE = ("node", "maximum", "buckets", "in use now", "in use after", "memory when full", "of the node's memory")
_LASTS = ("node", "kube-proxy sets at its start", "set at boot by", "machine-id")
_UNKNOWN = "?"


def targets(wish: Wish, seen: Seen) -> tuple[Target, ...]:
    """The nodes on which something changes."""
    found = []
    for one, state in seen.states:
        both = before_and_after(wish, state)
        if both and both[0] != both[1]:
            found.append(Target(one.name, state.machine_id, *both))
    return tuple(found)


def show(wish: Wish, view: View, seen: Seen) -> Shown:
    """The same whether it can be approved or not."""
    names = [one.name for one in seen.nodes]
    headline = f"conntrack_max = {wish.value:,} on {_counted(names)} of {view.cluster.name}{_for(wish)}"
    rows = tuple(_change(wish, one) for one in seen.nodes)
    lasts = tuple(_last(view, one) for one in seen.nodes)
    tables = (Table("Change", rows, _CHANGE), Table("What else sets it", lasts, _LASTS), Table("Undo", _undo(wish)))
    return Shown(headline, _facts(wish, view, seen), tables, notes=_notes(wish, seen))


def _counted(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} nodes"


def _for(wish: Wish) -> str:
    return (f" for {span(wish.hold_s)}" if wish.hold_s else "") + (", persisted" if wish.persist else "")


def _change(wish: Wish, one: One) -> tuple[str, ...]:
    both = before_and_after(wish, one.state) if isinstance(one.state, ChangeState) else None
    if not isinstance(one.state, ChangeState) or both is None:
        return (one.name, *([_UNKNOWN] * (len(_CHANGE) - 1)))
    (before, after), state = both, one.state
    takes, took = memory(state, after), memory(state, before)
    total, count = state.memory_total, state.count
    of = f"{takes.whole / total:.1%} of {size(total)}" if total else _UNKNOWN
    return (
        one.name,
        _arrow(before.value, after.value),
        _arrow(before.buckets, after.buckets),
        _UNKNOWN if count is None else f"{count:,} ({count / before.value:.0%})",
        _UNKNOWN if count is None else f"{count / after.value:.0%}",
        f"about {_signed(takes.whole - took.whole)}",
        of,
    )


def _arrow(before: int, after: int) -> str:
    return f"{before:,} → {after:,}" if before != after else f"{after:,}"


def _signed(number: int) -> str:
    return f"+{size(number)}" if number > 0 else size(number)


def _last(view: View, one: One) -> tuple[str, ...]:
    files, state = one.files, one.state
    at_boot = "no file" if isinstance(files, SysctlFiles) else _UNKNOWN
    if isinstance(files, SysctlFiles) and files.wins:
        at_boot = f"{files.wins.path}:{files.wins.line} ({files.wins.value})"
    return one.name, _proxy(view, one), at_boot, state.machine_id if isinstance(state, ChangeState) else _UNKNOWN


def _proxy(view: View, one: One) -> str:
    said, version = proxy_settings(one, view.cluster.proxy_config), arithmetic.version_of(one.node.kubelet)
    cpus = one.state.cpus_online if isinstance(one.state, ChangeState) else None
    if isinstance(said, str) or cpus is None:
        return "no kube-proxy runs" if said == "" else _UNKNOWN
    sets = arithmetic.would_set(said, cpus, version)
    of = f"{said.per_core:,} a core, {cpus} cores, at least {said.minimum:,}"
    return "leaves it alone" if sets is None else f"{sets:,} ({of})"


def _undo(wish: Wish) -> tuple[tuple[str, str], ...]:
    rows = [("by hand", "the Undo button of the result: the values before, under the same rules")]
    if wish.hold_s:
        rows.append(("by itself", f"each node puts it back after {span(wish.hold_s)}, whatever else is up or down"))
    rows.append(("at a reboot", f"{FILE} sets it again" if wish.persist else "it is gone: the files and kube-proxy decide"))
    return tuple(rows)


def _notes(wish: Wish, seen: Seen) -> tuple[str, ...]:
    notes = []
    if wish.buckets is None and any(_lists(wish, state) for _, state in seen.states):
        notes.append("Buckets: a quarter of the maximum, as kube-proxy has it, and no fewer than now; buckets=keep leaves them.")
    told = sorted({state.entry_bytes for _, state in seen.states if state.entry_bytes is not None})
    each = f"{' or '.join(map(str, told))} bytes by the nodes' own allocator" if told else f"about {ENTRY_BYTES} bytes"
    notes.append(f"Memory: an entry takes {each}, and about {EXTENSION_BYTES} for what hangs on it.")
    return tuple(notes)


def _lists(wish: Wish, state: ChangeState) -> bool:
    both = before_and_after(wish, state)
    return both is not None and both[0].buckets != both[1].buckets


def _facts(wish: Wish, view: View, seen: Seen) -> dict[str, Any]:
    nodes: dict[str, Any] = {}
    for one in seen.nodes:
        both = before_and_after(wish, one.state) if isinstance(one.state, ChangeState) else None
        nodes[one.name] = {"before": _setting(both[0]), "after": _setting(both[1])} if both else None
    return {
        "key": "net.netfilter.nf_conntrack_max",
        "value": wish.value,
        "hold_s": wish.hold_s,
        "cluster": view.cluster.name,
        "nodes": nodes,
    }


def _setting(setting: Setting) -> Any:
    return codec.encode(setting)
