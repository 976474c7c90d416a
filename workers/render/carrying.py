"""The one message of a change while it is carried out: what became of nodes already, what is being done, how many wait."""

from __future__ import annotations

from workers.changes.came import SIGNS, said
from workers.changes.carry_out import Tell
from workers.render import buttons, escape, verdict
from workers.render.bounds import section
from workers.render.message import Message

_LINE, _LINES = 200, 10


def message(job: str, command: str, tell: Tell, elapsed_s: float) -> Message:
    """The progress message, with its Cancel button, which stops it before the next node."""
    head = f"⏳ {escape.mrkdwn(tell.doing, _LINE)}, job {escape.code(job, _LINE)} · {escape.code(command, _LINE)}"
    lines = [f"{SIGNS[end.ended]} {escape.mrkdwn(f'{end.node}: {said(end)}', _LINE)}" for end in tell.ends[-_LINES:]]
    earlier, waiting = len(tell.ends) - len(lines), tell.nodes - len(tell.ends)
    lines = [*([f"{earlier} more before"] if earlier else []), *lines]
    text = "\n".join([f"{head} · {verdict.took(elapsed_s)}", *lines, *([f"{waiting} to go"] if waiting else [])])
    return Message(text, (section(text), *buttons.row(buttons.cancel(job))))
