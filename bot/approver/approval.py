"""One approval: what is asked for, under which rule, who agreed, what was signed, and what became of it. Pure.

Times are seconds since 1970 by the approver's clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

from workers.changes.proposal import NodeEnd, Proposal
from workers.job import Requester
from workers.policy.approval import ApprovalRule


class State(enum.Enum):
    """Where it stands. UNKNOWN and UNDO_UNKNOWN are moved by a worker's report about a signed plan, UNKNOWN by an undo too."""

    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    NOT_CARRIED_OUT = "not carried out"
    DONE = "carried out"
    PARTLY = "partly carried out"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNDOING = "being undone"
    UNDONE = "undone"
    UNDO_FAILED = "undo failed"
    UNDO_UNKNOWN = "undo unknown"

    @property
    def final(self) -> bool:
        """Whether it stays so for ever; the store refuses anything else."""
        return self in FINAL


FINAL = frozenset(
    {
        State.REFUSED,
        State.REJECTED,
        State.WITHDRAWN,
        State.EXPIRED,
        State.NOT_CARRIED_OUT,
        State.FAILED,
        State.UNDONE,
        State.UNDO_FAILED,
    }
)

UNDO = "-undo"
"""Ends the id under which the plan that takes a change back is signed; the id of the approval comes before it."""


@dataclass(frozen=True)
class Said:
    """Who said yes, no or something else, when, and with which reason."""

    who: Requester
    at: float
    reason: str = ""


@dataclass(frozen=True)
class Signed:
    """A plan with its signature, stored before it leaves the approver. `job` carries it out; `ends` is what a worker reported."""

    approval: str
    nonce: str
    plan: str
    signature: str
    issued: int
    expires: int
    job: str
    ends: tuple[NodeEnd, ...] = ()

    @property
    def done(self) -> tuple[str, ...]:
        """The nodes on which it was carried out."""
        return tuple(end.node for end in self.ends if end.ended == "done")

    @property
    def to_undo(self) -> tuple[str, ...]:
        """The nodes that hold it or, where none is known to, those that may; a node that does not hold it refuses the undo."""
        return self.done or tuple(end.node for end in self.ends if end.ended == "unreachable")


@dataclass(frozen=True)
class Approval:
    """`rule` is the one of the time at which it was asked for. `decided` is who ended the waiting; `alone`: without others.

    `ts` is the card's message, which is the job's own unless that was deleted.
    """

    proposal: Proposal
    rule: ApprovalRule
    state: State
    created: float
    expires: float
    ts: str
    votes: tuple[Said, ...] = ()
    decided: Said | None = None
    alone: bool = False
    reviewed: Said | None = None
    granted: Signed | None = None
    undo_asked: Said | None = None
    undo: Signed | None = None

    @property
    def id(self) -> str:
        """The job's that asked for it."""
        return self.proposal.id

    @property
    def requester(self) -> Requester:
        """Who asked for the change."""
        return self.proposal.job.requester

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that it is about."""
        return tuple(t.node for t in self.proposal.draft.targets)

    @property
    def undoable(self) -> bool:
        """Whether something can be put back."""
        known = self.state in (State.DONE, State.PARTLY, State.UNKNOWN)
        return known and self.granted is not None and bool(self.granted.to_undo)

    @property
    def reported(self) -> bool:
        """Whether a worker has said what became of what was signed last."""
        last = self.undo or self.granted
        return last is not None and bool(last.ends)

    @property
    def to_review(self) -> bool:
        """Whether somebody went ahead alone, and nobody has looked at it since."""
        return self.alone and self.reviewed is None

    def age(self, now: float) -> float:
        """In seconds."""
        return max(0.0, now - self.created)

    def signed(self, act: Literal["do", "undo"]) -> Signed | None:
        """What was signed for it."""
        return self.granted if act == "do" else self.undo


def outcome(signed: Signed) -> State:
    """The state that a report of a change says. A node that did not answer may have been changed."""
    if not signed.done:
        return State.UNKNOWN if signed.to_undo else State.FAILED
    return State.DONE if len(signed.done) == len(signed.ends) else State.PARTLY
