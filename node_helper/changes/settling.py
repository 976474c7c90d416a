"""What became of a change whose end nobody wrote down, told from what the node holds. Pure."""

from __future__ import annotations

from dataclasses import replace

from node_helper.changes.grant import Done
from node_helper.changes.held import Held


def settled(intent: Done, held: Held, at: str) -> Done:
    """The end of one that was interrupted. Nothing is written for it: what was approved is not done a second time."""
    found = held.setting(intent.after)
    if held.is_(intent.after):
        return replace(intent, state="done", at=at, found=found, reason="it was interrupted after it was written")
    if held.is_(intent.before):
        return replace(intent, state="failed", at=at, found=found, reason="it was interrupted before it was written")
    reason = f"it was interrupted, and the node holds {held.words()}"
    return replace(intent, state="failed", at=at, found=found, reason=reason)


def without_undo(done: Done, held: Held, at: str) -> Done:
    """One that should have put itself back, or should still do so, and which nothing waits for any more."""
    found = held.setting(done.before)
    if held.is_(done.before):
        return replace(done, state="undone", at=at, found=found, reason="the node holds its old setting")
    reason = "nothing waits any more to put it back: the node was restarted, or what waited was ended"
    return replace(done, state="undo-failed", at=at, found=found, reason=reason)
