"""What bot, worker and approver make in the data directory at their first start, for who asks before it. I/O."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bot.settings import BotSettings
from workers.doctor import Seen
from workers.queue import embedded
from workers.secret_file import there

_PART = "data directory"
_ALL = {"bot", "worker", "approver"}
_MADE: tuple[tuple[str, str | Path, str, set[str]], ...] = (
    ("the Redis", embedded.DATA, "redis_url", _ALL),
    ("keys", "job.key", "job_key_file", _ALL),
    ("keys", "voice.key", "voice_key_file", {"bot", "approver"}),
    ("keys", "pseudonym.key", "pseudonym_key_file", {"worker"}),
    *(("keys", f"audit/{role}.key", "audit_key_file", {role}) for role in sorted(_ALL)),
    *(("the audit's files", f"audit/{role}.pub", "", {role}) for role in sorted(_ALL)),
    ("the audit's files", "audit/heads.log", "audit_sink", _ALL),
    *(("the approver's store", f"approver/{name}.db", "", {"approver"}) for name in ("approvals", "audit")),
)
"""What it is, one of its files, the setting that names another one instead, and who makes it."""


def examine(settings: BotSettings) -> Seen:
    """What would be made, and by which command; nothing is."""
    folder = settings.data_dir
    try:
        lacking = list(_lacking(settings))
        said = "; ".join(_said(lacking, _commands(settings)))
        closed = [path for path in sorted({path.parent for _, path, _ in lacking}) if not _open(path)]
    except OSError as e:
        return Seen(_PART, f"{folder}: {e.strerror}", "Run doctor as the user of bot and worker, or set NETCHECK_DATA_DIR.")
    if closed:
        fix = "Make it or give it to the user of bot and worker, or set NETCHECK_DATA_DIR."
        return Seen(_PART, f"{closed[0]}: nothing can be made in it by this user", fix)
    return Seen(_PART, f"{folder}; at the first start {said}" if said else str(folder))


def _commands(settings: BotSettings) -> dict[str, str]:
    """Each role with the command that plays it; the approver's where its key is, for nothing is approved without."""
    commands = {"bot": "bot", "worker": "worker"}
    if settings.approver_key is not None or there(settings.signing_key):
        commands["approver"] = "bot" if settings.approver == "inside" else "approver"
    return commands


def _lacking(settings: BotSettings) -> Iterator[tuple[str, Path, set[str]]]:
    played = _commands(settings).keys()
    for kind, name, instead, by in _MADE:
        path = settings.data_dir / name
        if by & played and not (instead and getattr(settings, instead)) and not there(path):
            yield kind, path, by


def _said(lacking: list[tuple[str, Path, set[str]]], commands: dict[str, str]) -> Iterator[str]:
    for command in dict.fromkeys(commands.values()):
        roles = {role for role, by in commands.items() if by == command}
        if kinds := dict.fromkeys(kind for kind, _, by in lacking if by & roles):
            yield f"`netcheck-bot {command}` makes {', '.join(kinds)}"


def _open(folder: Path) -> bool:
    """Whether this user can make something in it, or in what is there of the way to it."""
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if there(path))
    return os.access(nearest, os.W_OK | os.X_OK)
