"""What a check concludes: findings with their evidence, and the report that carries them everywhere.

The same records are rendered for Slack and the terminal, printed as JSON, stored in bundles and compared by tests.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(enum.Enum):
    """How bad, in the order in which verdicts rank: an unknown is worse than a warning and better than a problem."""

    HEALTHY = "healthy"
    INFO = "info"
    WARNING = "warning"
    UNKNOWN = "unknown"
    PROBLEM = "problem"

    @property
    def rank(self) -> int:
        """0 for healthy to 4 for a problem."""
        return list(Severity).index(self)


class Confidence(enum.Enum):
    """How well the evidence carries the claim."""

    CONFIRMED = "confirmed"
    LIKELY = "likely"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Evidence:
    """One thing that was seen: where (file, rule, counter, netlink attribute), what it said, and when (RFC 3339, UTC)."""

    source: str
    value: str
    at: str = ""


@dataclass(frozen=True)
class Finding:
    """One claim. `id` is part of our interface; `subject` is what it is about; `node` is "" where no node is concerned.

    `look_further` is the command (without "/netcheck") whose answer would tell more, offered as a button.
    """

    id: str
    severity: Severity
    claim: str
    evidence: tuple[Evidence, ...]
    disprove: str
    fix: str
    subject: str = ""
    node: str = ""
    confidence: Confidence = Confidence.CONFIRMED
    look_further: str = ""


@dataclass(frozen=True)
class Table:
    """Facts in rows; without `columns` each row is a name and its value."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawFile:
    """Raw output, byte for byte what the reference tool would have shown."""

    name: str
    text: str


@dataclass(frozen=True)
class Shown:
    """What a check shows beside its findings: one line on what was looked at, tables, files, notes, and the JSON `facts`."""

    headline: str
    facts: Mapping[str, Any]
    tables: tuple[Table, ...] = ()
    files: tuple[RawFile, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The outcome of one command. Findings are worst first; the verdict is the worst of them."""

    command: str
    cluster: str
    took_s: float
    asked: tuple[str, ...]
    findings: tuple[Finding, ...]
    shown: Shown

    @property
    def verdict(self) -> Severity:
        """The worst severity among the findings, healthy without any."""
        return max((f.severity for f in self.findings), key=lambda s: s.rank, default=Severity.HEALTHY)
