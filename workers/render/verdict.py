"""The verdict in signs and words, the same for Slack and for the terminal."""

from __future__ import annotations

from workers.model import Report, Severity

SIGNS = {
    Severity.HEALTHY: "✅",
    Severity.INFO: "ℹ️",  # noqa: RUF001  (the sign itself)
    Severity.WARNING: "⚠️",
    Severity.UNKNOWN: "❔",
    Severity.PROBLEM: "🔴",
}
WORDS = {
    Severity.HEALTHY: "healthy",
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.UNKNOWN: "cannot tell",
    Severity.PROBLEM: "problem",
}
_NODES_NAMED = 6
_COARSE_S = 10.0


def verdicts(report: Report) -> tuple[tuple[Severity, int], ...]:
    """The verdict with the number of its findings; and that something could not be seen, when something is broken as well."""
    shown = [report.verdict]
    if report.verdict is Severity.PROBLEM and any(f.severity is Severity.UNKNOWN for f in report.findings):
        shown.append(Severity.UNKNOWN)
    return tuple((severity, sum(f.severity is severity for f in report.findings)) for severity in shown)


def said(severity: Severity, count: int, bold: str = "") -> str:
    """`🔴 problem`, with `(3)` after it when there are several."""
    return f"{SIGNS[severity]} {bold}{WORDS[severity]}{bold}" + (f" ({count})" if count > 1 else "")


def took(seconds: float) -> str:
    """Elapsed time, in hundredths while it is short."""
    return f"{seconds:.2f} s" if seconds < _COARSE_S else f"{seconds:.0f} s"


def asked(nodes: tuple[str, ...]) -> str:
    """Which nodes were asked; many are counted."""
    if not nodes:
        return "no node asked"
    more = len(nodes) - _NODES_NAMED
    return f"asked {', '.join(nodes[:_NODES_NAMED])}" + (f" and {more} more" if more > 0 else "")
