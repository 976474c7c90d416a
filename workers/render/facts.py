"""A table of facts as sections: pairs as Slack's two-column fields, everything else as monospaced columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from workers.model import Table
from workers.render import columns, escape, limits
from workers.render.bounds import Page, as_json, mrkdwn_object, section
from workers.render.message import Block

_TITLE, _NAME, _VALUE, _CELL = 100, 60, 300, 60
_PAIRS_SHOWN = 30
_HEADING = 400
"""Characters of a section's title, of its cut notice and of the block around them."""
_LINES = limits.SECTION - _HEADING


def tables(page: Page, table: Table) -> Iterator[Block]:
    """The blocks of one table; rows that are left out are counted in the last of them."""
    title = page.words(table.title, _TITLE)
    if not table.rows:
        yield section(f"*{title}*: none")
    elif table.columns or any(len(row) != 2 for row in table.rows):  # noqa: PLR2004  (a name and its value)
        yield _monospaced(page, title, table)
    else:
        yield from _pairs(page, title, table.rows)


def _pairs(page: Page, title: str, rows: Sequence[Sequence[str]]) -> Iterator[Block]:
    fields = [mrkdwn_object(f"{page.words(name, _NAME)}\n{page.code(value, _VALUE)}") for name, value in rows[:_PAIRS_SHOWN]]
    for first in range(0, len(fields), limits.FIELDS):
        heading = f"*{title}*" if not first else f"*{title}*, continued"
        yield section(heading, fields=fields[first : first + limits.FIELDS])
    if len(rows) > _PAIRS_SHOWN:
        page.cut = True
        yield section(f"and {len(rows) - _PAIRS_SHOWN} more")


def _monospaced(page: Page, title: str, table: Table) -> Block:
    """As many rows as a section holds, each on a line of its own."""
    shown: list[str] = []
    room = min(_LINES, page.room - _HEADING)
    for line in columns.lines(replace(table, rows=table.rows[:_LINES]), _CELL):
        escaped = escape.literal(line, _LINES)
        room -= len(as_json(escaped))
        if room < 0:
            break
        shown.append(escaped)
    missing = len(table.rows) + bool(table.columns) - len(shown)
    page.cut |= bool(missing) or columns.widest(table) > _CELL
    more = f"\nand {missing} more rows" if missing else ""
    return section(f"*{title}*\n```{chr(10).join(shown)}```{more}")
