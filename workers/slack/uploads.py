"""Files in a thread, each once: whoever takes a job over sees by the stored id whether the file is there already.

Slack shows a file when its upload is completed, and shows it again when that is done twice; so before any second try it is
asked whether the file can be seen. Where files are not allowed, the text itself is posted.
"""

from __future__ import annotations

from typing import Protocol

import structlog

from workers.model import RawFile
from workers.render import escape, limits
from workers.render.message import Message
from workers.slack.client import Upload
from workers.slack.errors import UploadsRefused
from workers.slack.thread import PATIENCE_S, Position, Thread

log = structlog.get_logger()

_AS_TEXT = "as text, parts: "
_PARTS = 4
_PART = limits.SECTION - 200


class FileIds(Protocol):
    """What is remembered of a job's files; a lease does it."""

    async def files(self) -> dict[str, str]:
        """The id of each file that was begun."""

    async def store_file(self, name: str, file_id: str) -> None:
        """Remember one."""

    async def posted(self, file_id: str) -> None:
        """Remember that the channel has it, for when others come to read that."""


async def upload(thread: Thread, at: Position, file: RawFile, ids: FileIds, seconds: float = PATIENCE_S) -> None:
    """The file is in the thread. Raises `SlackRefused`, `SlackAway`."""
    data = file.text.encode()
    known = (await ids.files()).get(file.name, "")
    if not data or await _is_there(thread, at, known, seconds):
        return
    try:
        if not known.startswith(_AS_TEXT):
            await _upload(thread, at, file.name, data, ids, seconds)
            return
    except UploadsRefused as e:
        log.warning("uploads_refused", code=e.code, channel=at.channel)
    await _post_text(thread, at, file, ids, int(known.removeprefix(_AS_TEXT) if known.startswith(_AS_TEXT) else 0), seconds)


async def _is_there(thread: Thread, at: Position, known: str, seconds: float) -> bool:
    if not known or known.startswith(_AS_TEXT):
        return False
    return await thread.pace.patiently(at.channel, lambda: thread.slack.is_shared(known), seconds)


async def _upload(thread: Thread, at: Position, name: str, data: bytes, ids: FileIds, seconds: float) -> None:
    async def announce_and_send() -> Upload:
        begun = await thread.slack.begin_upload(name, len(data))
        await thread.slack.send_bytes(begun, data)
        return begun

    begun = await thread.pace.patiently(at.channel, announce_and_send, seconds)
    await ids.store_file(name, begun.file_id)
    await ids.posted(begun.file_id)
    again = False

    async def complete() -> None:
        nonlocal again
        if again and await thread.slack.is_shared(begun.file_id):
            return
        again = True
        await thread.slack.complete_upload(begun.file_id, name, at.channel, at.thread)

    await thread.pace.patiently(at.channel, complete, seconds)


async def _post_text(thread: Thread, at: Position, file: RawFile, ids: FileIds, posted: int, seconds: float) -> None:
    """The first parts of the text, those that were posted before aside; the last one says what is missing."""
    parts = [file.text[start : start + _PART] for start in range(0, len(file.text), _PART)]
    for number, part in enumerate(parts[:_PARTS], 1):
        if number > posted:
            of = f"{min(len(parts), _PARTS)}" + (f", {len(parts) - _PARTS} more are left out" if len(parts) > _PARTS else "")
            head = f"{escape.code(file.name, 100)} (files are not allowed here, part {number} of {of})"
            block = escape.literal(part, limits.SECTION)
            await thread.reply(at, Message(f"{head}\n```\n{block}\n```"), seconds)
            await ids.store_file(file.name, f"{_AS_TEXT}{number}")
