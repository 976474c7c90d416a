"""Rows as aligned lines of text, for monospaced places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from workers.model import Table
from workers.render import escape

_GAP = "  "


def lines(table: Table, most: int) -> Iterator[str]:
    """The heading, if there is one, and the rows; every cell visible and at most `most` characters."""
    rows = ([table.columns] if table.columns else []) + list(table.rows)
    cells = [[escape.cell(cell, most) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip_longest(*cells, fillvalue="")]
    for row in cells:
        yield _aligned(row, widths)


def widest(table: Table) -> int:
    """Characters of the widest cell."""
    return max((len(cell) for row in table.rows for cell in row), default=0)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip()
