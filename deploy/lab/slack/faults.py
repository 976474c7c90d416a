"""What the proxy does instead of passing a call on, and the record of the calls it saw. Pure.

A call is named by its Web API method; besides those there are ``upload`` (a file's bytes), ``response_url`` (an answer that
only one person sees) and ``delivery`` (what Slack sends to the bot).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


class Kind(enum.Enum):
    """How a call goes wrong."""

    RATE_LIMITED = "rate-limited"
    """Answered 429 with ``Retry-After: seconds``; Slack never sees it."""
    SERVER_ERROR = "server-error"
    """Answered ``status``; Slack never sees it."""
    REFUSED = "refused"
    """Answered 200 with ``ok: false`` and ``error``; Slack never sees it."""
    DELAYED = "delayed"
    """Passed on after ``seconds``."""
    ANSWER_LOST = "answer-lost"
    """Slack does it, and the connection closes before its answer."""
    RESET = "reset"
    """The connection closes; Slack never sees it."""
    REPEATED = "repeated"
    """A delivery arrives twice, as Slack repeats one that it takes for lost."""


@dataclass
class Fault:
    """Holds for the next ``times`` calls of ``method`` (in ``channel``, where one is given); ``times`` below 0 is for ever."""

    method: str
    kind: Kind
    times: int = 1
    seconds: float = 1.0
    status: int = 500
    error: str = "internal_error"
    channel: str = ""

    def dumps(self) -> dict[str, Any]:
        """As a JSON value."""
        return asdict(self) | {"kind": self.kind.value}

    @classmethod
    def loads(cls, said: Mapping[str, Any]) -> Self:
        """From :meth:`dumps`."""
        return cls(**{**said, "kind": Kind(said["kind"])})

    def meets(self, method: str, args: Mapping[str, Any]) -> bool:
        """Whether this call is one of those; each that is counts."""
        if self.method != method or self.times == 0 or self.channel not in ("", args.get("channel") or args.get("channel_id")):
            return False
        self.times -= 1
        return True


@dataclass(frozen=True)
class Call:
    """One call: its arguments without tokens, and how it was answered (0 where the answer was lost on purpose)."""

    number: int
    method: str
    status: int
    at: float
    """Seconds of a clock that never goes back."""
    fault: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)
