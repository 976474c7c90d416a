"""Rows as aligned lines of text, for monospaced places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len

from workers.model import Table
from workers.render import escape

_GAP = "  "


def lines(table: Table, most: int) -> Iterator[str]:
    """The heading, if there is one, and the rows; every cell visible and at most `most` characters."""
    rows = ([table.columns] if table.columns else []) + list(table.rows)
    cells = [[escape.cell(cell, most) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip_longest(*cells, fillvalue="")]
    for row in cells:
        yield _aligned(row, widths)


def widest(table: Table) -> int:
    """Characters of the longest cell, the heading's among them, as it is shown where nothing is cut."""
    return max((len(escape.visible(cell)) for row in (table.columns, *table.rows) for cell in row), default=0)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """East Asian letters and emoji take two columns, combining marks none."""
    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=False))
    return _GAP.join(padded).rstrip()
