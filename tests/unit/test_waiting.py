"""Who waits at a terminal for saved files to be read sees that something goes on."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from bot.cli._waiting import waiting


@pytest.mark.parametrize(("terminal", "takes_s", "shown"), [(True, 0.4, True), (True, 0.0, False), (False, 0.4, False)])
def test_a_spinner_is_shown_on_a_terminal_once_it_takes_long(terminal: bool, takes_s: float, shown: bool) -> None:  # noqa: FBT001  (cases)
    page = io.StringIO()
    with waiting(Console(file=page, force_terminal=terminal), "reading saved files", after_s=0.1):
        time.sleep(takes_s)
    assert ("reading saved files" in page.getvalue()) is shown
