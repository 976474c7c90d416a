"""What bot and worker make in the data directory at their first start, for who asks before it. I/O."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bot.settings import BotSettings
from workers.doctor import Seen
from workers.secret_file import there

_PART = "data directory"
_MADE = (
    ("redis", "redis_url", ("bot", "worker")),
    ("job.key", "job_key_file", ("bot", "worker")),
    ("voice.key", "voice_key_file", ("bot",)),
    ("audit/bot.key", "audit_key_file", ("bot",)),
    ("pseudonym.key", "pseudonym_key_file", ("worker",)),
    ("audit/worker.key", "audit_key_file", ("worker",)),
)
"""Each with the setting that names another one instead, and the commands that make it."""


def examine(settings: BotSettings) -> Seen:
    """What would be made, and by which command; nothing is."""
    folder = settings.data_dir
    try:
        would = list(_would(settings))
        may = not would or os.access(_nearest(folder), os.W_OK | os.X_OK)
    except OSError as e:
        return Seen(_PART, f"{folder}: {e.strerror}", "Run doctor as the user of bot and worker, or set NETCHECK_DATA_DIR.")
    if not may:
        fix = "Make it, for the user of bot and worker, or set NETCHECK_DATA_DIR."
        return Seen(_PART, f"{folder}: nothing can be made in it by this user", fix)
    said = "; ".join(f"`netcheck-bot {command}` makes {', '.join(names)}" for command, names in would)
    return Seen(_PART, f"{folder}; at the first start {said}" if said else str(folder))


def _would(settings: BotSettings) -> Iterator[tuple[str, list[str]]]:
    lacking = [(name, by) for name, instead, by in _MADE if not (getattr(settings, instead) or there(settings.data_dir / name))]
    for command in ("bot", "worker"):
        if names := [name for name, by in lacking if command in by]:
            yield command, names


def _nearest(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if there(path))
