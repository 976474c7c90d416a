"""How this node stands to changes: whether it takes any, what it holds, what became of those made before. Looks only. I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Optional

from node_helper.changes import arming, hands, held, installed, journal, settling, systemd
from node_helper.changes.grant import Done
from node_helper.changes.held import Held, Unreadable
from node_helper.changes.journal import Damaged, Entry
from node_helper.changes.paths import Paths
from node_helper.changes.plan import Setting
from node_helper.changes.times import rfc3339

RECENT = 20
_WITH_FILE = Setting(1, 1, "")


@dataclass(frozen=True)
class Standing:
    """`why_not` is "" where changes are offered. `setting` is None where conntrack is not in use, by the reason in `unreadable`.

    `file_problem` says why our file cannot be written, `unwritable` why the sysctls cannot; `lost` why `recent` is not known.
    """

    why_not: str
    cluster: str
    node: str
    machine_id: str
    setting: Optional[Setting]
    unreadable: str
    unwritable: str
    file_problem: str
    bucket_bytes: int
    bucket_multiple: int
    systemd: bool
    recent: tuple[Done, ...]
    lost: str = ""


def standing(paths: Paths, *, is_installed: bool) -> Standing:
    """As of now."""
    now: Optional[Held] = None
    unreadable = lost = ""
    try:
        now = held.now(paths)
    except Unreadable as e:
        unreadable = str(e)
    recent: tuple[Done, ...] = ()
    try:
        recent = changes(paths, now)
    except Damaged as e:
        lost = str(e)
    who = _identity(paths)
    return Standing(
        why_not=installed.why_not(paths, installed=is_installed),
        cluster=who.cluster,
        node=who.node,
        machine_id=installed.machine_id(paths),
        setting=None if now is None else now.setting(_WITH_FILE),
        unreadable=unreadable,
        unwritable=held.unwritable(paths),
        file_problem=_file_problem(paths),
        bucket_bytes=held.bucket_bytes(),
        bucket_multiple=held.bucket_multiple(),
        systemd=systemd.runs(paths),
        recent=recent,
        lost=lost,
    )


def changes(paths: Paths, now: Optional[Held]) -> tuple[Done, ...]:
    """The last of them, oldest first, each as it stands now, whatever was the last that was written down. Raises `Damaged`."""
    entries = journal.read(paths)
    latest = {entry.done.nonce: entry.done for entry in entries}
    return tuple(_truly(done, entries, paths, now) for done in list(latest.values())[-RECENT:])


def _truly(done: Done, entries: tuple[Entry, ...], paths: Paths, now: Optional[Held]) -> Done:
    if now is None:
        return done
    at = rfc3339(time.time())
    if done.state == "intent" and not hands.busy(paths):
        done = settling.settled(done, now, at)
    held_for_a_time = done.state == "done" and done.undo_at and journal.later(entries, done.nonce) is None
    if held_for_a_time and not arming.stands(paths, done.nonce) and not hands.busy(paths):
        return settling.without_undo(done, now, at)
    return done


def _file_problem(paths: Paths) -> str:
    text, problem = held.file(paths)
    return (
        problem
        if problem or Held(1, 1, text).setting(_WITH_FILE).persisted is not None
        else f"{paths.file} says what we do not write"
    )


def _identity(paths: Paths) -> installed.Identity:
    try:
        return installed.identity(paths)
    except installed.NotOffered:
        return installed.Identity("", "")
