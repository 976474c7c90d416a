"""A report as text for a terminal or a file: the same lines every time, in colour only where the caller saw a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from workers.model import Evidence, Finding, Report, Severity, Table
from workers.render import columns, verdict
from workers.render.escape import visible

_STYLES = {
    Severity.HEALTHY: "bold green",
    Severity.INFO: "bold cyan",
    Severity.WARNING: "bold yellow",
    Severity.UNKNOWN: "bold magenta",
    Severity.PROBLEM: "bold red",
}
_CELL = 10_000


class Line(NamedTuple):
    """One line and its rich style."""

    text: str
    style: str = ""


def text(report: Report, *, colour: bool = False) -> str:
    """The whole report; nothing is cut, nothing is wrapped, and nothing hostile reaches the terminal."""
    lines = list(_lines(report))
    if not colour:
        return "".join(f"{line.text}\n" for line in lines)
    page = io.StringIO()
    console = Console(file=page, force_terminal=True, color_system="standard", highlight=False)
    for line in lines:
        console.print(Text(line.text, line.style), soft_wrap=True)
    return page.getvalue()


def _lines(report: Report) -> Iterator[Line]:
    yield Line(_verdict(report), _STYLES[report.verdict])
    if report.shown.headline:
        yield Line(visible(report.shown.headline))
    for found in report.findings:
        yield Line("")
        yield from _finding(found)
    for table in report.shown.tables:
        yield Line("")
        yield from _table(table)
    yield from _notes(report)


def _verdict(report: Report) -> str:
    signs = " and ".join(verdict.said(*v) for v in verdict.verdicts(report))
    return visible(
        " · ".join([signs.replace("\ufe0f", ""), report.command, verdict.took(report.took_s), verdict.asked(report.asked)])
    )


def _finding(found: Finding) -> Iterator[Line]:
    sign = verdict.SIGNS[found.severity].replace("\ufe0f", "")
    yield Line(visible(f"{sign} {found.claim}"), _STYLES[found.severity])
    about = [found.id, found.confidence.value, f"on {found.node}" if found.node else "", found.subject]
    yield Line(visible(f"  {' · '.join(filter(None, about))}"), "dim")
    for seen in found.evidence:
        yield Line(_seen(seen))
    said = (("disproved by", found.disprove), ("fix", found.fix), ("look further", found.look_further))
    yield from (Line(visible(f"  {name}: {words}")) for name, words in said if words)


def _seen(seen: Evidence) -> str:
    return visible(f"  seen: {seen.source}: {seen.value}" + (f" ({seen.at})" if seen.at else ""))


def _table(table: Table) -> Iterator[Line]:
    yield Line(visible(table.title), "bold")
    for number, line in enumerate(columns.lines(table, _CELL)):
        yield Line(f"  {line}", "dim" if table.columns and not number else "")
    if not table.rows:
        yield Line("  none")


def _notes(report: Report) -> Iterator[Line]:
    if report.shown.notes or report.shown.files:
        yield Line("")
    yield from (Line(visible(f"Note: {note}"), "dim") for note in report.shown.notes)
    for file in report.shown.files:
        yield Line(visible(f"Raw output: {file.name}, {len(file.text)} characters"), "dim")
