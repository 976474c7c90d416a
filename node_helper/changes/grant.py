"""A plan with the approver's signature, and what became of it on a node. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional

from node_helper.changes.plan import Setting

Refusal = Literal[
    "",
    "not-offered",  # this helper may change nothing, or not this
    "malformed",  # the grant is not what we write
    "bad-signature",  # not made over this plan by a key that the node knows as valid now
    "wrong-cluster",
    "wrong-node",  # the plan does not name this node, or another machine has its name
    "expired",
    "clock",  # by this node's clock the grant is from the future
    "used",  # its nonce was used here for another plan
    "changed",  # the node does not hold what was approved as its old setting
    "unsupported",  # this kernel or node cannot do it: the reason says what
    "failed",  # writing it did not work; what the node holds now is in `found`
]


@dataclass(frozen=True)
class Grant:
    """`plan` is the canonical text that is signed, `signature` the armoured SSH signature over exactly it."""

    plan: str
    signature: str


@dataclass(frozen=True)
class Done:
    """One change in the words of the node's journal. Times are RFC 3339, UTC, by the node's clock.

    `state`: "intent" was written before anything else; "done" and "failed" are ends of an apply; "undone", "undo-refused" and
    "undo-failed" are what the node did by itself when `hold_s` was over. `found` is what the node held when it was read back.
    """

    nonce: str
    approval: str
    state: Literal["intent", "done", "failed", "undone", "undo-refused", "undo-failed"]
    before: Setting
    after: Setting
    at: str
    found: Optional[Setting] = None
    undo_at: str = ""
    undoes: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Applied:
    """The answer to a grant. Either `refusal` with its `reason`, and nothing was written unless it is "failed"; or `done`.

    `again`: the same grant was carried out before, and this is what came of it then; nothing was written now.
    """

    refusal: Refusal = ""
    reason: str = ""
    done: Optional[Done] = None
    again: bool = False
    warnings: tuple[str, ...] = ()
