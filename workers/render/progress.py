"""The one message of a job before it has a result: what it waits for or does now. Each is an edit of the one before.

A placeholder that is never edited again stays true: it says no more than that the job was queued.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from workers.render import buttons, escape, verdict
from workers.render.bounds import section
from workers.render.message import Message

_COMMAND, _NODES = 500, 300


class Stage(enum.Enum):
    """Where a job stands, in the words that people read."""

    QUEUED = "queued"
    LOCATING = "locating"
    ASKING = "asking"
    JUDGING = "judging"


@dataclass(frozen=True)
class Progress:
    """A job underway: its id, the command as a person would type it, and how long ago it was asked for."""

    job: str
    command: str
    stage: Stage = Stage.QUEUED
    elapsed_s: float = 0.0
    nodes: tuple[str, ...] = ()


def message(progress: Progress) -> Message:
    """The progress message, with its Cancel button."""
    command = escape.code(progress.command, _COMMAND)
    elapsed = f" · {verdict.took(progress.elapsed_s)}" if progress.elapsed_s else ""
    text = f"⏳ {_doing(progress)}, job {escape.code(progress.job, _COMMAND)} · {command}{elapsed}"
    return Message(text, (section(text), *buttons.row(buttons.cancel(progress.job))))


def _doing(progress: Progress) -> str:
    if progress.stage is not Stage.ASKING or not progress.nodes:
        return progress.stage.value
    named = escape.mrkdwn(", ".join(progress.nodes), _NODES)
    return f"asking {len(progress.nodes)} node{'s' if len(progress.nodes) > 1 else ''}: {named}"
