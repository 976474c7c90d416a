"""What whoever approves a change of conntrack_max has to know of it. Pure.

Sources: Documentation/networking/nf_conntrack-sysctl.rst (entries and lists), sysctl.d(5), and those of `_kube_proxy`.
"""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts.change_state import ChangeState
from node_helper.facts.sysctl_files import SysctlFiles
from node_helper.protocol import CannotLook
from workers import findings
from workers.changes import _kube_proxy as arithmetic
from workers.changes._set_against import SHARE, SPARE
from workers.changes._set_seen import (
    FILE,
    One,
    Point,
    Seen,
    Wish,
    before_and_after,
    differs,
    later,
    memory,
    proxy_settings,
    values,
)
from workers.check import View
from workers.model import Confidence, Evidence, Finding, Severity
from workers.render.numbers import size

_NEARLY_FULL = 0.80
_MUCH = 0.25
NOT_DURABLE = "conntrack-max-not-durable"


def besides(wish: Wish, view: View, seen: Seen) -> Iterator[Finding]:
    """Nothing of it stands against the change."""
    for one, state in seen.states:
        for point in (*_table(wish, one, state), *_earlier(one, state)):
            yield point.finding(view, one.name, Severity.WARNING)
        if isinstance(one.files, CannotLook):
            yield findings.unknown(one.files, node=one.name, what="the files that set it at the next start", now=view.now)
        elif wish.persist:
            yield from _overruled(wish, view, one, one.files)
            yield from _too_early(view, one, one.files)
        yield from _proxy(wish, view, one, state)


def possible(wish: Wish, view: View, seen: Seen) -> Finding:
    """That it can be asked for; the plan changes nothing."""
    changed = [one for one, state in seen.states if differs(wish, state)]
    return Finding(
        id="change-planned",
        severity=Severity.INFO,
        claim=f"conntrack_max can be set to {wish.value:,} on {', '.join(one.name for one in changed)}; nothing was changed yet",
        evidence=values(view, changed),
        disprove="Another value on a node by the time that it is approved: then nothing is changed there.",
        fix="Said in Slack, it goes to those who may approve it.",
    )


def _table(wish: Wish, one: One, state: ChangeState) -> Iterator[Point]:
    both = before_and_after(wish, state)
    takes = memory(state, both[1]).whole if both else 0
    total, count = state.memory_total or 0, state.count or 0
    if total * _MUCH < takes <= total * SHARE:
        claim = f"A full table of {wish.value:,} takes {size(takes)} of {one.name}'s {size(total)} of memory"
        fix = "See whether the node has that to spare."
        yield Point("change-much-memory", claim, f"MemTotal of {one.name}", size(total), fix)
    if count * SPARE <= wish.value < count / _NEARLY_FULL:
        claim = f"{one.name} would be {count / wish.value:.0%} full with {wish.value:,}"
        yield Point("change-little-room", claim, f"nf_conntrack_count of {one.name}", str(count), "Ask for more.")


def _earlier(one: One, state: ChangeState) -> Iterator[Point]:
    """An undo that waits restores only what it wrote itself: this change ends it."""
    last = state.recent[-1] if state.recent else None
    if last and last.state == "done" and last.undo_at and one.now and one.now.value == last.after.value:
        claim = f"{one.name} was to go back to {last.before.value:,} at {last.undo_at}; after this change it will not"
        evidence = f"approval {last.approval}: {last.before.value} → {last.after.value}, undone at {last.undo_at}"
        fix = "Undo the earlier change first, if what was before it is to come back."
        yield Point("change-over-another", claim, f"journal of {one.name}", evidence, fix)


def _overruled(wish: Wish, view: View, one: One, files: SysctlFiles) -> Iterator[Finding]:
    for line in later(files):
        if line.value != str(wish.value):
            yield Finding(
                id=NOT_DURABLE,
                severity=Severity.WARNING,
                claim=f"{line.path} on {one.name} sets conntrack_max to {line.value} at each start, after netcheck's file",
                evidence=(Evidence(f"{line.path}:{line.line}", f"{line.key} = {line.value}", view.now),),
                disprove=f"{wish.value} after `sysctl --system`, or a restart of systemd-sysctl.",
                fix=f"Take the line out of {line.path}: netcheck edits no file but {FILE}.",
                node=one.name,
                subject=line.path,
            )


def _too_early(view: View, one: One, files: SysctlFiles) -> Iterator[Finding]:
    """Settings of a module that is not there yet are passed over (sysctl.d(5))."""
    if files.late:
        yield Finding(
            id=NOT_DURABLE,
            severity=Severity.WARNING,
            confidence=Confidence.LIKELY,
            claim=f"At a start of {one.name} {FILE} is passed over, if {files.late} is not loaded by then",
            evidence=(Evidence("modules-load.d, /etc/modules and udev's rules", f"none names {files.late}", view.now),),
            disprove="The value being there after a reboot, before kube-proxy has started.",
            fix=f"Have {files.late} loaded early: its name in a file of /etc/modules-load.d.",
            node=one.name,
            subject=files.late,
        )


def _proxy(wish: Wish, view: View, one: One, state: ChangeState) -> Iterator[Finding]:
    """kube-proxy sets its own value at its start: a higher one always, a lower one in most versions."""
    said, version = proxy_settings(one, view.cluster.proxy_config), arithmetic.version_of(one.node.kubelet)
    if isinstance(said, str):
        if said:
            cannot = CannotLook(said, kind="missing", fix="Look up its conntrack.maxPerCore and conntrack.min.")
            yield findings.unknown(cannot, node=one.name, what="what kube-proxy sets conntrack_max to", now=view.now)
        return
    if state.cpus_online is None:
        cannot = CannotLook(f"{one.name} does not tell how many processors it has", kind="missing")
        yield findings.unknown(cannot, node=one.name, what="what kube-proxy sets conntrack_max to", now=view.now)
        return
    sets = arithmetic.would_set(said, state.cpus_online, version)
    if sets is None or sets == wish.value or (sets < wish.value and arithmetic.leaves_higher(version)):
        return
    limited = f" ({arithmetic.LIMIT:,} from Kubernetes 1.36 on)" if arithmetic.limited(said, state.cpus_online, version) else ""
    yield Finding(
        id=NOT_DURABLE,
        severity=Severity.WARNING,
        confidence=Confidence.CONFIRMED if sets > wish.value else Confidence.LIKELY,
        claim=f"kube-proxy on {one.name} sets conntrack_max to {sets:,} when it starts{limited}",
        evidence=(
            Evidence(said.source, f"maxPerCore {said.per_core}, min {said.minimum}", view.now),
            Evidence(f"processors of {one.name}", str(state.cpus_online), view.now),
            Evidence(f"kubelet of {one.name}", one.node.kubelet or "tells no version", view.cluster.as_of),
        ),
        disprove=f"{wish.value} after a restart of kube-proxy: versions 1.23 to 1.28 leave a higher value alone, and so do"
        " those with kubernetes/kubernetes#142035.",
        fix=f"In kube-proxy's configuration: conntrack.min {wish.value} with a small conntrack.maxPerCore, or maxPerCore 0.",
        node=one.name,
        subject="kube-proxy",
    )
