"""What is known of channels beside their jobs: whether others read them, and which files are in there."""

from __future__ import annotations

from workers.queue.claim import Store

_REMOVING_S = 600
"""A process that has not removed a channel's files by then has died."""


class Channels:
    """All raise `QueueAway`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def mark(self, channel: str, *, shared: bool) -> None:
        """What Slack said last, for workers whose jobs were asked for before it changed."""
        key = self._store.keys.shared(channel)
        if shared:
            await self._store.server.command("SET", key, "1", "EX", self._store.terms.keep_s)
        else:
            await self._store.server.command("DEL", key)

    async def shared(self, channel: str) -> bool:
        """Whether a bot has seen that others read it."""
        return bool(await self._store.server.command("EXISTS", self._store.keys.shared(channel)))

    async def posted(self, channel: str) -> tuple[str, ...]:
        """The ids at Slack of the files in the channel, as far as they are known."""
        ids = await self._store.server.command("ZRANGE", self._store.keys.posted(channel), 0, -1)
        return tuple(file_id.decode() for file_id in ids)

    async def forget(self, channel: str, file_id: str) -> None:
        """The file is not in the channel any more."""
        await self._store.server.command("ZREM", self._store.keys.posted(channel), file_id)

    async def begin_removing(self, channel: str) -> bool:
        """Whether nobody else removes the channel's files just now."""
        said = await self._store.server.command("SET", self._store.keys.removing(channel), "1", "NX", "EX", _REMOVING_S)
        return said is not None

    async def end_removing(self, channel: str) -> None:
        """Others may begin."""
        await self._store.server.command("DEL", self._store.keys.removing(channel))
