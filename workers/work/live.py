"""The edits of one message while its job runs: the newest counts, seldom, and never one after the result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog

from workers.render.message import Message
from workers.slack.errors import SlackError
from workers.slack.thread import Position, Thread

log = structlog.get_logger()

Allowed = Callable[[], Awaitable[bool]]
"""Asked right before each edit: a worker that was stopped for a while may have lost the job meanwhile."""
APART_S = 1.0
"""Between the first two edits; doubled for each further one, since a long job is not watched by the second."""
_MOST_APART_S = 30.0


class Live:
    """Inside the block `show` edits the message in the background; when the block is left, no such edit is under way any more.

    One that Slack does not take is left out: it is no result.
    """

    def __init__(self, thread: Thread, at: Position, allowed: Allowed, *, apart_s: float = APART_S) -> None:
        self._thread = thread
        self._at = at
        self._allowed = allowed
        self._apart_s = apart_s
        self._newest: Message | None = None
        self._fresh = asyncio.Event()
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def show(self, message: Message) -> None:
        """Puts this in the message as soon as it is time; returns at once."""
        self._newest = message
        self._fresh.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"progress of {self._at.ts}")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        async with self._sending:  # an edit that was cut off could reach Slack after the result
            if self._task is not None:
                self._task.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        apart_s = self._apart_s
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            async with self._sending:
                await self._send()
            await asyncio.sleep(apart_s)
            apart_s = min(2 * apart_s, _MOST_APART_S)

    async def _send(self) -> None:
        if self._newest is None or not await self._allowed():
            return
        try:
            await self._thread.edit_once(self._at, self._newest)
        except SlackError as e:
            log.info("progress_not_shown", reason=str(e), channel=self._at.channel, ts=self._at.ts)
