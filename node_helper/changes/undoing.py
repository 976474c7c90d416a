"""A node puts its setting back by itself, from a copy of this code that needs nobody else; started by systemd, or waiting here.

It does so only if the node still holds what the change made, and says in the journal what came of it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import Literal, Optional

from node_helper.changes import apart, arming, disk, journal, steps
from node_helper.changes.arming import Armed
from node_helper.changes.grant import Done
from node_helper.changes.hands import Busy, Hands
from node_helper.changes.held import Held, Unreadable
from node_helper.changes.held import file as held_file
from node_helper.changes.journal import Damaged, Entry
from node_helper.changes.plan import Setting
from node_helper.changes.times import rfc3339

_LOOKS_EVERY_S = 5.0
_STARTED = "started"
_OPEN = ("intent", "done", "failed")
"""What failed and is armed still left something that was not put back."""


def main(folder: str) -> int:
    """Wait where nobody else does, then put it back."""
    armed = arming.read(folder)
    hands = Hands(armed.paths)
    if armed.by == "systemd":
        return _until_free(hands, folder, armed)
    cgroup = apart.enter_cgroup(os.path.basename(folder))
    alive = arming.hold(folder)
    apart.tell(arming.READY)
    try:
        while (left := armed.boot_at - arming.boottime()) > 0 and os.path.exists(folder):
            time.sleep(min(left, _LOOKS_EVERY_S))
        return _until_free(hands, folder, armed)
    finally:
        os.close(alive)
        apart.leave_cgroup(cgroup)


def _until_free(hands: Hands, folder: str, armed: Armed) -> int:
    while os.path.exists(folder):
        try:
            with hands.locked(_LOOKS_EVERY_S):
                if os.path.exists(folder):  # else it was disarmed while this waited
                    undo(hands, armed)
        except Busy:
            continue
        except OSError:  # no room for the journal: what is put back is seen to be back the next time
            time.sleep(_LOOKS_EVERY_S)
    return 0


def undo(hands: Hands, armed: Armed) -> None:
    """Only under the node's lock. Raises `OSError` where the journal cannot be written; then it stays armed."""
    entries = _entries(hands)
    entry, later = journal.last(entries, armed.nonce), journal.later(entries, armed.nonce)
    made = entry.done if entry else Done(armed.nonce, armed.approval, "intent", armed.before, armed.after, "")
    if made.state in _OPEN and (later is None or later.undoes != armed.nonce):
        end = _refused(hands, f"a later approved change ({later.approval}) took its place") if later else _end(hands, armed, made)
        done = replace(made, state=end.state, reason=end.reason, found=end.found, at=rfc3339(hands.now()))
        hands.record(Entry(armed.digest, done))
    hands.disarm(armed.nonce)


@dataclass(frozen=True)
class _End:
    state: Literal["undone", "undo-refused", "undo-failed"]
    reason: str = ""
    found: Optional[Setting] = None


def _end(hands: Hands, armed: Armed, made: Done) -> _End:
    try:
        held = hands.held()
    except Unreadable as e:
        return _file_alone(hands, armed, str(e))
    if held.is_(armed.before):
        return _End("undone", "the node held its old setting already", held.setting(armed.before))
    mark = os.path.join(hands.paths.undo(armed.nonce), _STARTED)
    if not (held.is_(armed.after) or ((made.state != "done" or os.path.exists(mark)) and _half(held, armed))):
        return _refused(hands, f"it does not hold what the change made, but {held.words()}")
    disk.put(mark, "", 0o600)
    try:
        for step, _ in steps.between(hands, held.setting(armed.after), armed.before):
            step()
        found = hands.held()
    except (OSError, Unreadable) as e:
        return replace(_refused(hands, str(e)), state="undo-failed")
    if not found.is_(armed.before):
        return _End("undo-failed", f"read back, it holds {found.words()}", found.setting(armed.before))
    return _End("undone", "", found.setting(armed.before))


def _half(held: Held, armed: Armed) -> bool:
    """Whether an interrupted write, or an interrupted undo, can have made it: each part is as before or as after."""
    return all(old or new for old, new in zip(held.parts(armed.before), held.parts(armed.after)))


def _file_alone(hands: Hands, armed: Armed, why: str) -> _End:
    """The node was started anew and does not use conntrack yet: what is left of the change is our file."""
    before, after = armed.before.persisted, armed.after.persisted
    if before is None or after is None:
        return _End("undone", f"{why}; nothing of the change is left")
    text, problem = held_file(hands.paths)
    if problem or text not in (before, after):
        return _End("undo-refused", f"{why}; {problem or 'our file says something else'}")
    hands.put_file(before)
    return _End("undone", f"{why}; our file was put back")


def _refused(hands: Hands, reason: str) -> _End:
    try:
        return _End("undo-refused", reason, hands.held().setting(Setting(1, 1, "")))
    except Unreadable:
        return _End("undo-refused", reason)


def _entries(hands: Hands) -> tuple[Entry, ...]:
    try:
        return hands.entries()
    except Damaged:
        return ()
