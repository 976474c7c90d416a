"""What the approver is seen doing: each step is in the audit, and heads are outside Redis before anything is signed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

What = Literal[
    "plan",
    "refusal",
    "vote",
    "decision",
    "break-glass",
    "review",
    "expiry",
    "reminder",
    "escalation",
    "grant",
    "execution",
    "undo",
]


class NotSealed(Exception):
    """The audit does not have it, so what depends on it must wait; the reason in words."""


@dataclass(frozen=True)
class Note:
    """One step, by ids; `said` are names such as new_value with short words."""

    what: What
    approval: str
    who: str
    channel: str
    cluster: str
    trace: str
    said: dict[str, str]


class Witness(Protocol):
    """The audit, as the approver needs it. There is no approver without one."""

    async def note(self, note: Note) -> None:
        """It is stored when this returns; twice the same is no harm. Raises `NotSealed`."""

    async def seal(self) -> None:
        """Heads of all chains are counter-signed and outside Redis when this returns. Raises `NotSealed`."""
