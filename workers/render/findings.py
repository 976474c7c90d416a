"""A finding as one section: what is claimed, what was seen, what would disprove it, what to do, and a button to look further."""

from __future__ import annotations

from typing import Any

from workers.model import Confidence, Evidence, Finding
from workers.render import buttons, verdict
from workers.render.bounds import Page, section
from workers.render.message import Block

_CLAIM, _NAME, _SOURCE, _VALUE, _AT, _DISPROVE, _FIX = 400, 80, 150, 200, 40, 250, 400
_EVIDENCE_SHOWN = 4


def finding(page: Page, found: Finding, number: int) -> Block:
    """One finding, below the limit of a section. `number` tells the buttons of a message apart."""
    lines = [_claim(page, found), *_evidence(page, found.evidence)]
    if found.disprove.strip():
        lines.append(f"_Disproved by:_ {page.words(found.disprove, _DISPROVE)}")
    if found.fix.strip():
        lines.append(f"*Fix:* {page.words(found.fix, _FIX)}")
    button = buttons.run(found.look_further, found.look_further, number) if found.look_further else None
    accessory: dict[str, Any] = {"accessory": button} if button else {}
    return section("\n".join(lines), **accessory)


def _claim(page: Page, found: Finding) -> str:
    claim = page.words(found.claim.strip(), _CLAIM) or "–"  # noqa: RUF001  (a dash for the eye)
    about = [page.code(found.id, _NAME)]
    about += [page.code(found.subject, _NAME)] if found.subject else []
    about += [f"on {page.code(found.node, _NAME)}"] if found.node else []
    about += [] if found.confidence is Confidence.CONFIRMED else [found.confidence.value]
    return f"{verdict.SIGNS[found.severity]} *{claim}*\n{' · '.join(about)}"


def _evidence(page: Page, evidence: tuple[Evidence, ...]) -> list[str]:
    lines = [_seen(page, e) for e in evidence[:_EVIDENCE_SHOWN]]
    if len(evidence) > _EVIDENCE_SHOWN:
        page.cut = True
        lines.append(f"• and {len(evidence) - _EVIDENCE_SHOWN} more pieces of evidence")
    return lines


def _seen(page: Page, seen: Evidence) -> str:
    at = f" ({page.words(seen.at, _AT)})" if seen.at else ""
    return f"• {page.words(seen.source, _SOURCE)}: {page.code(seen.value, _VALUE)}{at}"
