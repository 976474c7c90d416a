"""What stands against a change of conntrack_max, for which nobody is asked to approve it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from node_helper.facts.change_state import ChangeState
from node_helper.protocol import CannotLook
from workers import findings
from workers.changes._set_seen import FILE, One, Point, Seen, Wish, before_and_after, differs, memory, values
from workers.changes.values import NodesTarget
from workers.check import View
from workers.model import Evidence, Finding, Severity
from workers.render.numbers import size, span

SPARE = 1.1
"""A table that is full to the last tenth drops packets at the next burst."""
SHARE = 0.5
"""Of the node's memory, that a full table may take."""
_SKEW_S = 30
_INSTALL = "as deploy/node/README.md says"


def against(wish: Wish, target: NodesTarget, view: View, seen: Seen) -> Iterator[Finding]:
    """Everything; nothing where the plan can be approved."""
    if target.kind != "names":  # a list that is not current may lack a node, or have one too many
        yield from findings.cluster_gaps(view, "nodes")
    for one in seen.nodes:
        if isinstance(one.state, CannotLook):
            yield findings.unknown(one.state, node=one.name, what="what it holds and whether it can be changed", now=view.now)
        else:
            for point in _of(wish, view, one, one.state):
                yield point.finding(view, one.name, Severity.PROBLEM)
    yield from _same_machine(view, seen)
    yield from _nothing_to_do(wish, view, seen)


def _of(wish: Wish, view: View, one: One, state: ChangeState) -> Iterator[Point]:
    """On one node. What one says that offers nothing is of no concern."""
    if not state.offered:
        claim = f"{one.name} offers no changes: {state.why_not}"
        fix = f"Install the helper there with the approver's public key, {_INSTALL}."
        yield Point("change-not-offered", claim, f"helper of {one.name}", state.why_not, fix)
        return
    yield from _identity(view, one, state)
    yield from _clock(view, one, state)
    yield from _means(wish, one, state)
    yield from _limits(wish, one, state)
    yield from _unseen(one, state)


def _identity(view: View, one: One, state: ChangeState) -> Iterator[Point]:
    if (state.cluster, state.node) != (view.cluster.name, one.name):
        claim = f"{one.name} of {view.cluster.name} was installed as {state.node} of {state.cluster}"
        fix = f"Install it under the name by which Kubernetes knows it, {_INSTALL}."
        yield Point("change-other-node", claim, f"installed identity of {one.name}", f"{state.cluster} {state.node}", fix)


def _clock(view: View, one: One, state: ChangeState) -> Iterator[Point]:
    skew = state.now - datetime.fromisoformat(view.now).timestamp()
    if abs(skew) > _SKEW_S:
        claim = f"The clock of {one.name} is {span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the worker's"
        fix = "Have its clock set (chrony, systemd-timesyncd): a grant is valid for a time."
        yield Point("change-clock", claim, f"clock of {one.name} less that of the worker", f"{skew:+.0f} s", fix)


def _means(wish: Wish, one: One, state: ChangeState) -> Iterator[Point]:
    if state.unwritable:
        claim = f"conntrack_max cannot be written on {one.name}: {state.unwritable}"
        yield Point(
            "change-not-writable", claim, "nf_conntrack_max", state.unwritable, "Change it on the machine whose kernel it is."
        )
    if state.file_problem and wish.persist:
        claim = f"{FILE} on {one.name} is not as netcheck writes it: {state.file_problem}"
        fix = "Move what is in it to a file of another name, or leave `persist` out."
        yield Point("change-file-edited", claim, FILE, state.file_problem, fix)
    if wish.hold_s and wish.persist and not state.systemd:
        claim = f"{one.name} has no systemd to undo it after a reboot"
        yield Point("change-undo-not-sure", claim, "/run/systemd/system", "not there", "Leave out `persist`, or `for`.")


def _limits(wish: Wish, one: One, state: ChangeState) -> Iterator[Point]:
    both = before_and_after(wish, state)
    if both is None:
        claim = f"What {one.name} holds cannot be read: {state.unreadable}"
        yield Point("change-not-writable", claim, "nf_conntrack_max", state.unreadable, "Look with `conntrack NODE`.")
        return
    if state.count is not None and wish.value < state.count * SPARE:
        claim = f"{wish.value:,} is too few for {one.name}, which tracks {state.count:,} connections now"
        fix = f"Ask for {int(state.count * SPARE) + 1:,} at least: a full table drops packets."
        yield Point("change-below-use", claim, f"nf_conntrack_count of {one.name}", str(state.count), fix)
    takes = memory(state, both[1]).whole
    if state.memory_total is not None and takes > state.memory_total * SHARE:
        claim = f"A table of {wish.value:,} could take {size(takes)} of {one.name}'s {size(state.memory_total)} of memory"
        fix = f"Ask for less: a full table must stay below {SHARE:.0%} of the memory."
        yield Point("change-too-much-memory", claim, f"MemTotal of {one.name}", size(state.memory_total), fix)


def _unseen(one: One, state: ChangeState) -> Iterator[Point]:
    """Without these nobody can say that the value is not absurd, or what was done before."""
    fix = "Look whether the node is well; then ask again."
    if state.setting is not None and (state.count is None or state.memory_total is None):
        what = "how many connections it tracks" if state.count is None else "how much memory it has"
        yield Point("change-not-writable", f"{one.name} does not tell {what}", f"helper of {one.name}", "nothing", fix)
    if state.lost:
        claim = f"The journal of changes on {one.name} cannot be read: {state.lost}"
        yield Point("change-not-offered", claim, f"journal of {one.name}", state.lost, fix)


def _same_machine(view: View, seen: Seen) -> Iterator[Finding]:
    for machine, names in seen.same_machine:
        yield Finding(
            id="change-same-machine",
            severity=Severity.PROBLEM,
            claim=f"{' and '.join(names)} have the same machine-id: a grant cannot tell them apart",
            evidence=(Evidence("/etc/machine-id", machine, view.now),),
            disprove="Different machine-ids.",
            fix="Give each its own (systemd-machine-id-setup, after emptying /etc/machine-id on a cloned machine).",
        )


def _nothing_to_do(wish: Wish, view: View, seen: Seen) -> Iterator[Finding]:
    known = bool(seen.nodes) and all(one.now is not None for one in seen.nodes)
    if known and not any(differs(wish, state) for _, state in seen.states):
        yield Finding(
            id="change-no-effect",
            severity=Severity.INFO,
            claim=f"Nothing to do: conntrack_max is {wish.value:,} already on every node that was named",
            evidence=values(view, seen.nodes),
            disprove="Another value on one of them.",
            fix="Nothing. With `persist` it is written down as well.",
        )
