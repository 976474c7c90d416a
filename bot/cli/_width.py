"""Lines of help that fit the terminal."""

from __future__ import annotations

import shutil
import textwrap

_DEEPER, _DEEPER_INSIDE = 8, 2


def fitted(line: str) -> str:
    """The same line over as many as it needs, those after the first deeper; no word is broken. 80 columns without a terminal."""
    before = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line.strip(),
        shutil.get_terminal_size().columns,
        initial_indent=before,
        subsequent_indent=before + " " * (_DEEPER_INSIDE if before else _DEEPER),
        break_long_words=False,
        break_on_hyphens=False,
    )
