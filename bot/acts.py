"""What people can do to an approval, as buttons and modals. Pure.

Every button opens a modal that says what it is about: nothing is decided by one click.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.approver.board import Posted
from workers.changes.letters import Act
from workers.render import escape, limits

ACTION: Final = "netcheck_act"
"""Begins the action id of such a button; the act follows. Its value is the approval's id."""
CONFIRM: Final = "netcheck_confirm"
"""The action id of the button under what a terminal's code means. Its value is the code."""
MODAL: Final = "netcheck_voice"
"""The callback id of the modals."""
REASON: Final = "reason"
LABELS: Final[Mapping[Act, str]] = {
    "approve": "Approve",
    "reject": "Reject",
    "withdraw": "Withdraw",
    "break-glass": "Go ahead alone",
    "undo": "Undo",
    "review": "Reviewed",
}
_QUESTIONS: Final[Mapping[Act, str]] = {
    "approve": "Approve this change?",
    "reject": "Reject this change?",
    "withdraw": "Withdraw your request?",
    "break-glass": "Go ahead alone?",
    "undo": "Undo this change?",
    "review": "Have you reviewed it?",
}
_MEANINGS: Final[Mapping[Act, str]] = {
    "approve": "When enough people have agreed, it is carried out at once, first on one node.",
    "reject": "Nobody can approve it any more. Everybody sees your reason.",
    "withdraw": "Nobody can approve it any more.",
    "break-glass": "It is carried out at once, without anybody's agreement. Everybody is told, and it must be reviewed.",
    "undo": "Every node that was changed gets back what it held before, unless somebody has changed it since.",
    "review": "You have looked at what was done alone, and why.",
}
_STYLES: Final[Mapping[Act, str]] = {"approve": "primary", "reject": "danger", "break-glass": "danger"}
REASONED: Final = frozenset({"reject", "break-glass"})
_LINE, _REASON = 300, 500


@dataclass(frozen=True)
class About:
    """What a modal keeps while it is open: the approval, what is done to it, and where it was opened."""

    approval: str
    act: Act
    channel: str
    thread: str

    def dumps(self) -> str:
        """For `private_metadata`, which comes back with what was entered and cannot be changed in between."""
        return json.dumps([self.approval, self.act, self.channel, self.thread])


def button(act: Act, value: str, action: str = "") -> dict[str, Any]:
    """A button for it."""
    text = {"type": "plain_text", "text": LABELS[act], "emoji": False}
    style = {"style": _STYLES[act]} if act in _STYLES else {}
    return {"type": "button", "text": text, "action_id": action or f"{ACTION}-{act}", "value": value, **style}


def modal(about: About, posted: Posted) -> dict[str, Any]:
    """The question, the plan in brief, and a field for the reason where one is needed."""
    said = [
        f"*{escape.mrkdwn(posted.headline, _LINE)}*",
        f"Asked by {escape.code(posted.requester, _LINE)}, {escape.mrkdwn(posted.status, _LINE)}",
    ]
    said += [escape.mrkdwn(line, _LINE) for line in posted.brief]
    blocks: list[dict[str, Any]] = [_section("\n".join(fitting(said))), _section(_MEANINGS[about.act])]
    if about.act in REASONED:
        field = {"type": "plain_text_input", "action_id": REASON, "multiline": True, "min_length": 1, "max_length": _REASON}
        blocks.append({"type": "input", "block_id": REASON, "label": _plain("Why?"), "element": field})
    return {
        "type": "modal",
        "callback_id": MODAL,
        "private_metadata": about.dumps(),
        "title": _plain(_QUESTIONS[about.act]),
        "submit": _plain(LABELS[about.act]),
        "close": _plain("Back"),
        "blocks": blocks,
    }


def fitting(lines: list[str]) -> list[str]:
    """As many of the lines as a section holds."""
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(kept) + len(line) > limits.SECTION - 2:
            return [*kept, "…"]
        kept.append(line)
    return kept


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
