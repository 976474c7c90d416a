"""What the approver shows to bots and terminals: its open approvals, the newest others, and codes; sealed, and dated. Pure.

The beat says when the approver was last alive, and which board is its own by then: whoever can write to Redis can put both back
to what they were, which is seen by the time, and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from node_helper import codec
from workers.changes.letters import Act

STALE_S = 30.0
"""The approver shows its board again every few seconds: one that is older means that it does not work."""


@dataclass(frozen=True)
class Posted:
    """An approval as people may see it; `brief` are lines of plain text: what it does to which nodes, and what to mind.

    `waits_for` are user ids. `acts` are those that somebody can do to it now.
    """

    id: str
    state: str
    channel: str
    thread: str
    requester: str
    headline: str
    brief: tuple[str, ...]
    status: str
    waits_for: tuple[str, ...]
    acts: tuple[Act, ...]
    created: float
    expires: float

    @property
    def open(self) -> bool:
        """Whether anybody is waited for."""
        return "approve" in self.acts or "review" in self.acts


@dataclass(frozen=True)
class Coded:
    """A code of the terminal; `answer` is what was said to `who` when they used it, and `counted` whether it did anything."""

    code: str
    approval: str
    act: Act
    reason: str
    expires: float
    who: str = ""
    answer: str = ""
    counted: bool = False


@dataclass(frozen=True)
class Board:
    """`store` is the approver's, `since` when it started; both tell two approvers apart, of which there must be one."""

    at: float
    store: str
    since: float
    trouble: str = ""
    approvals: tuple[Posted, ...] = ()
    codes: tuple[Coded, ...] = ()

    def find(self, approval: str) -> Posted | None:
        """The approval of that id."""
        return next((posted for posted in self.approvals if posted.id == approval), None)

    def coded(self, code: str) -> Coded | None:
        """The code of these letters."""
        return next((coded for coded in self.codes if coded.code == code), None)

    def dumps(self) -> bytes:
        """As it is sealed."""
        return json.dumps(codec.encode(self)).encode()

    @classmethod
    def loads(cls, beat: bytes, board: bytes) -> Board:
        """From both. Raises `ValueError` where they do not belong together, and for what another version wrote."""
        known = codec.decode(Beat, json.loads(beat))
        if known.board != digest(board):
            raise ValueError("the board is not the one that the approver showed last")
        return replace(codec.decode(cls, json.loads(board)), at=known.at)


@dataclass(frozen=True)
class Beat:
    """`board` is the digest of the board."""

    at: float
    board: str

    def dumps(self) -> bytes:
        """As it is sealed."""
        return json.dumps(codec.encode(self)).encode()


def digest(board: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(board).hexdigest()
