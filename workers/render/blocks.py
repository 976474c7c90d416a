"""A report as a Slack message: verdict, findings worst first, facts, and buttons; what does not fit is counted and in a file."""

from __future__ import annotations

from collections.abc import Sequence

from workers.model import RawFile, Report, Severity
from workers.render import bounds, buttons, escape, notices, terminal, verdict
from workers.render.bounds import Page, mrkdwn_object, section
from workers.render.facts import tables
from workers.render.findings import finding
from workers.render.message import Block, Message

WHOLE: str = "report.txt"
"""The file that has everything when the message does not."""
_FINDINGS_SHOWN = 6
_COMMAND, _HEADLINE, _ASKED, _NOTE, _CLAIM = 500, 300, 600, 300, 600
_NOTES_SHOWN = 5
_CUT_NOTICE = 400


def message(report: Report, *, again: str | None = "", stopped_by: str = "") -> Message:
    """The report, within every limit. `again` is the command of the Again button when it is not the report's own; None: none.

    `stopped_by` is who (a Slack user id or a name) had seen enough before the time was over.
    """
    button = () if again is None else buttons.row(buttons.run("Again", again or report.command))
    below = (*_notes(report), *_stopped(stopped_by), *button)
    page = Page(reserved_blocks=len(below) + 1, reserved_characters=bounds.size(below) + _CUT_NOTICE)
    page.put(section(_verdict(page, report)))
    hidden = _put_findings(page, report)
    short = _put_tables(page, report)
    page.cut |= len(report.shown.notes) > _NOTES_SHOWN
    notice = _cut_notice(hidden, short) if page.cut else ()
    files = (RawFile(WHOLE, terminal.text(report)),) if page.cut else ()
    return Message(fallback(report), (*page.blocks, *notice, *below), (*files, *report.shown.files))


def fallback(report: Report) -> str:
    """The verdict and its first reason in one line, for notifications."""
    signs = " and ".join(verdict.said(*v) for v in verdict.verdicts(report))
    reason = report.findings[0].claim if report.findings else report.shown.headline
    return f"{signs}: {escape.mrkdwn(report.command, _COMMAND)}" + (f": {escape.mrkdwn(reason, _CLAIM)}" if reason else "")


def _verdict(page: Page, report: Report) -> str:
    signs = " and ".join(verdict.said(*v, bold="*") for v in verdict.verdicts(report))
    nodes = page.words(verdict.asked(report.asked), _ASKED)
    first = " · ".join([signs, page.code(report.command, _COMMAND), verdict.took(report.took_s), nodes])
    headline = page.words(report.shown.headline, _HEADLINE)
    return f"{first}\n{headline}" if headline.strip() else first


def _put_findings(page: Page, report: Report) -> Sequence[Severity]:
    """Those that fit, the first six at most. Returns the severities of the others."""
    for number, found in enumerate(report.findings):
        if number == _FINDINGS_SHOWN or not page.put(finding(page, found, number + 1)):
            page.cut = True
            return [f.severity for f in report.findings[number:]]
    return ()


def _put_tables(page: Page, report: Report) -> Sequence[str]:
    """What fits of every table. Returns the titles of those that are not shown whole."""
    return [table.title for table in report.shown.tables if not all(page.put(block) for block in tables(page, table))]


def _notes(report: Report) -> tuple[Block, ...]:
    notes = report.shown.notes[:_NOTES_SHOWN]
    elements = [mrkdwn_object(escape.mrkdwn(note, _NOTE)) for note in notes if note.strip()]
    return ({"type": "context", "elements": elements},) if elements else ()


def _stopped(by: str) -> tuple[Block, ...]:
    said = f"🚫 stopped by {notices.person(by)}: this is what was seen until then"
    return ({"type": "context", "elements": [mrkdwn_object(said)]},) if by else ()


def _cut_notice(hidden: Sequence[Severity], short: Sequence[str]) -> tuple[Block, ...]:
    counts = [f"{verdict.SIGNS[s]} {hidden.count(s)}" for s in sorted(set(hidden), key=lambda s: -s.rank)]
    what = [f"{len(hidden)} more of the findings ({', '.join(counts)})"] if hidden else []
    what += [f"{len(short)} of the tables"] if short else []
    return (
        {"type": "context", "elements": [mrkdwn_object(f"✂ Cut here, whole in {WHOLE}: {' and '.join(what) or 'long texts'}.")]},
    )
