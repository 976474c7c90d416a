"""What became of a node: what its answer to a grant means, and what its journal says of one that was handed over before. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from node_helper.changes.grant import Applied, Done
from node_helper.changes.plan import Plan, Setting, Target
from node_helper.facts.change_state import ChangeState
from node_helper.protocol import CannotLook
from workers.changes.proposal import Ended, NodeEnd

SIGNS = {"done": "✅", "refused": "⛔", "failed": "🔴", "unreachable": "❔", "skipped": "⏭"}


@dataclass(frozen=True)
class Came:
    """What became of one node. `surprise`: nothing more is begun after it. `warnings` are the node's own."""

    end: NodeEnd
    surprise: bool = False
    warnings: tuple[str, ...] = ()


def known(plan: Plan, target: Target, state: ChangeState | CannotLook) -> Came | None:
    """What a node's journal says of this plan; None where it does not know it, or is at it just now."""
    if isinstance(state, CannotLook):
        return unreachable(target, state)
    done = next((d for d in reversed(state.recent) if d.nonce == plan.nonce), None)
    if done is None or done.state == "intent":
        return None
    return checked(target, _by_journal(target, done), state)


def checked(target: Target, came: Came, state: ChangeState) -> Came:
    """A node that was changed must hold what it was changed to, unless it has gone back by itself."""
    if came.surprise or came.end.reason:
        return came
    if state.setting is None:
        reason = f"it said that it was done, and what it holds now cannot be read: {state.unreadable}"
        return replace(came, end=replace(came.end, reason=reason), surprise=True)
    if holds(state.setting, target.after):
        return came
    now = f"it holds {words(state.setting)} now: something else has set it"
    return replace(came, end=replace(came.end, reason=f"it was set to {words(target.after)}, and {now}"), surprise=True)


def _by_journal(target: Target, done: Done) -> Came:
    if done.state == "failed":
        return Came(NodeEnd(target.node, "failed", done.reason), surprise=True)
    if done.state == "done":
        return Came(NodeEnd(target.node, "done", "", done.undo_at))
    went = {"undone": "it has gone back by itself", "undo-refused": "it did not go back by itself"}
    reason = f"{went.get(done.state, 'it could not go back by itself')} at {done.at}"
    return Came(NodeEnd(target.node, "done", f"{reason}: {done.reason}" if done.reason else reason), surprise=True)


def meant(target: Target, answer: Applied) -> Came:
    """What an answer to a grant means."""
    if not answer.refusal and answer.done is not None:
        return replace(_by_journal(target, answer.done), warnings=answer.warnings)
    ended: Ended = "failed" if answer.refusal == "failed" else "refused"
    return Came(NodeEnd(target.node, ended, answer.reason or answer.refusal or "it did not say why"), surprise=True)


def unreachable(target: Target, cannot: CannotLook) -> Came:
    """Nobody knows whether it was changed."""
    return Came(NodeEnd(target.node, "unreachable", f"what it holds is not known: {cannot.reason}"), surprise=True)


def holds(now: Setting, wanted: Setting) -> bool:
    """Whether it is this one; of the file, only where the plan speaks of it."""
    same = (now.value, now.buckets) == (wanted.value, wanted.buckets)
    return same and wanted.persisted in (None, now.persisted)


def said(end: NodeEnd) -> str:
    """In words."""
    verb = {
        "done": "it was changed",
        "refused": "it refused, and nothing was written",
        "failed": "it failed",
        "unreachable": "it did not answer",
        "skipped": "it was not asked",
    }[end.ended]
    return f"{verb}: {end.reason}" if end.reason else verb


def words(setting: Setting) -> str:
    """A setting for people."""
    file = {None: "", "": ", in no file"}.get(setting.persisted, ", in a file")
    return f"{setting.value:,} with {setting.buckets:,} buckets{file}"
