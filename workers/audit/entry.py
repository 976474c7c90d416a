"""One entry of the audit, and its canonical bytes: JSON with sorted keys, no spaces, ASCII. Pure.

Words in it are bounded, on one line, and hold no token of Slack's, even where somebody typed one into a command.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from node_helper import codec
from workers.render.escape import cell

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_LONGEST = 500
_WORD = 256
_MOST = 24
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TOKEN = re.compile(r"\b(?:x(?:ox[a-z]|app)(?:\.xox[a-z])?-[A-Za-z0-9-]+|T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,})")
"""Slack's tokens, and the secret part of a webhook's URL (docs.slack.dev, authentication/tokens)."""


class Kind(enum.Enum):
    """What happened. `opened` is the first of every chain, `lost` counts entries that could not be kept, `end` is a job's."""

    OPENED = "opened"
    LOST = "lost"
    COMMAND = "command"
    DECISION = "decision"
    REFUSAL = "refusal"
    CANCEL = "cancel"
    PLAN = "plan"
    VOTE = "vote"
    GRANT = "grant"
    EXECUTION = "execution"
    READ_BACK = "read-back"
    UNDO = "undo"
    REMINDER = "reminder"
    ESCALATION = "escalation"
    BREAK_GLASS = "break-glass"
    REVIEW = "review"
    EXPIRY = "expiry"
    POLICY = "policy"
    ADMIN = "admin"
    END = "end"


@dataclass(frozen=True)
class About:
    """Whom and what an entry is about, by ids: a person and a channel of Slack, a cluster, a job or an approval, a trace."""

    who: str = ""
    channel: str = ""
    cluster: str = ""
    subject: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Entry:
    """The `seq`-th of its writer's, from 1; `previous` is the digest of the one before, "" for the first. `at`: RFC 3339, UTC."""

    writer: str
    seq: int
    previous: str
    at: str
    kind: Kind
    who: str
    channel: str
    cluster: str
    subject: str
    trace: str
    said: dict[str, str]

    @property
    def role(self) -> str:
        """Which of our processes wrote it."""
        return role_of(self.writer)


def role_of(writer: str) -> str:
    """`bot` for `bot-1a2b`."""
    return writer.rpartition("-")[0]


def harmless(about: About) -> About:
    """The same within bounds."""
    return About(*(_word(word, _WORD) for word in vars(about).values()))


def bounded(said: Mapping[str, str]) -> dict[str, str]:
    """At most so many words of such a length. Raises `ValueError` for names that are not ours to give."""
    if len(said) > _MOST or not all(_NAME.fullmatch(name) for name in said):
        raise ValueError(f"an entry says at most {_MOST} things, by names such as new_value: {sorted(said)}")
    return {name: _word(text, _LONGEST) for name, text in said.items()}


def time_of(ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms_of(text: str) -> int | None:
    """Milliseconds since 1970; None where the text is no time."""
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def canonical(entry: Entry) -> bytes:
    """What is signed, hashed and stored."""
    return compact({**vars(entry), "kind": entry.kind.value})


def compact(value: object) -> bytes:
    """JSON with sorted keys, no spaces, ASCII."""
    return _JSON.encode(value).encode("ascii")


def read(data: bytes) -> Entry:
    """The entry of canonical bytes. Raises `ValueError` for anything else."""
    entry = codec.decode(Entry, json.loads(data))
    if canonical(entry) != data:
        raise ValueError("not in canonical form")
    return entry


def digest(data: bytes) -> str:
    """Of canonical bytes."""
    return hashlib.sha256(data).hexdigest()


def _word(text: str, most: int) -> str:
    return cell(_TOKEN.sub("(a token)", text), most) if text else ""
