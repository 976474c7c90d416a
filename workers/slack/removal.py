"""When others come to read a channel: the files that were posted there are removed, and the channel is told, in one message."""

from __future__ import annotations

from functools import partial

import structlog

from workers.job import Channel
from workers.queue.channels import Channels
from workers.render import notices
from workers.slack.errors import SlackError, SlackRefused
from workers.slack.thread import Thread

log = structlog.get_logger()

_PATIENCE_S = 60.0


async def remove_files(channels: Channels, thread: Thread, channel: str) -> None:
    """One process does it; what it could not remove, the next look at the channel does. Raises `QueueAway`."""
    if not await channels.posted(channel) or not await channels.begin_removing(channel):
        return
    try:
        removed, left = await _removed(channels, thread, channel)
        if removed or left:
            log.warning("files_removed", channel=channel, removed=removed, left=left)
            await thread.place(Channel(channel), notices.files_removed(removed, left), _PATIENCE_S)
    except SlackError as e:
        log.error("files_not_removed", channel=channel, reason=str(e))  # noqa: TRY400  (the reason says all)
    finally:
        await channels.end_removing(channel)


async def _removed(channels: Channels, thread: Thread, channel: str) -> tuple[int, int]:
    """How many are gone, and how many Slack will not let go. Raises `SlackAway`."""
    removed = left = 0
    for file_id in await channels.posted(channel):
        try:
            await thread.pace.patiently(channel, partial(thread.slack.delete_file, file_id), _PATIENCE_S)
            removed += 1
        except SlackRefused as e:
            log.error("file_not_removed", channel=channel, file=file_id, code=e.code)  # noqa: TRY400  (the code says all)
            left += 1
        await channels.forget(channel, file_id)
    return removed, left
