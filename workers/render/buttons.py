"""The buttons under messages. The bot listens for these action ids; a button's value is all that it needs to know."""

from __future__ import annotations

import re
from typing import Any, Final

from workers.render import escape, limits
from workers.render.message import Block

RUN: Final = "netcheck_run"
"""Run the command that is the button's value, as if it had been typed there. Several in one message: RUN, RUN-1, RUN-2…"""
RUN_IDS: Final = re.compile(rf"{RUN}(-[0-9]+)?")
"""All of those."""
CANCEL: Final = "netcheck_cancel"
"""Cancel the job whose id is the button's value."""
_LABEL = 40


def run(label: str, command: str, number: int = 0) -> dict[str, Any] | None:
    """A button that runs a command; None for a command that is too long for one."""
    return _button(label, f"{RUN}-{number}" if number else RUN, command)


def cancel(job: str) -> dict[str, Any] | None:
    """A button that cancels a job."""
    return _button("Cancel", CANCEL, job)


def row(*buttons: dict[str, Any] | None) -> tuple[Block, ...]:
    """The buttons that there are, in one actions block; nothing where there are none."""
    there = [b for b in buttons if b is not None][: limits.ACTIONS]
    return ({"type": "actions", "elements": there},) if there else ()


def _button(label: str, action: str, value: str) -> dict[str, Any] | None:
    if not label.strip() or not value or len(value) > limits.VALUE or not value.isprintable():
        return None
    text = {"type": "plain_text", "text": escape.plain(label, _LABEL), "emoji": False}
    return {"type": "button", "text": text, "action_id": action, "value": value}
