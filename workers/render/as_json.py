"""A report as the one JSON object that `check --output json` prints and bundles keep. Its keys may be added to, never renamed."""

from __future__ import annotations

import json
from typing import Any

from workers.model import Evidence, Finding, Report


def value(report: Report) -> dict[str, Any]:
    """The object, its keys in the documented order."""
    return {
        "command": report.command,
        "cluster": report.cluster,
        "verdict": report.verdict.value,
        "took_s": report.took_s,
        "asked": list(report.asked),
        "findings": [_finding(f) for f in report.findings],
        "facts": dict(report.shown.facts),
        "notes": list(report.shown.notes),
        "headline": report.shown.headline,
        "files": [{"name": file.name, "characters": len(file.text)} for file in report.shown.files],
    }


def dumps(report: Report) -> str:
    """One line of ASCII: what a terminal or a pipe could misread is escaped by JSON itself."""
    return json.dumps(value(report), allow_nan=False)


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "id": found.id,
        "severity": found.severity.value,
        "confidence": found.confidence.value,
        "node": found.node,
        "subject": found.subject,
        "claim": found.claim,
        "evidence": [_evidence(e) for e in found.evidence],
        "disprove": found.disprove,
        "fix": found.fix,
        "look_further": found.look_further,
    }


def _evidence(seen: Evidence) -> dict[str, str]:
    return {"source": seen.source, "value": seen.value, "at": seen.at}
