"""Calls to Slack as fast as it takes them: a channel that is told to wait waits alone, and what failed is tried again.

Slack limits posts per channel and most methods per workspace; each channel learns of either by its own 429, so that no
channel ever waits for another.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay, wait_random_exponential

from workers.slack.errors import SlackAway

T = TypeVar("T")
log = structlog.get_logger()

_AT_ONCE = 4
"""Calls of one channel that are under way at the same time; one that hangs does not hold up the others."""
_BACKOFF = wait_random_exponential(multiplier=0.25, max=15.0)


_SHORT_S = 5.0


@dataclass
class _Channel:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    open_at: float = 0.0

    @asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[None]:
        """A place among the calls of the channel, when it may be written to. Raises `SlackAway` if that is not soon enough."""
        end = time.monotonic() + seconds
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self.places.acquire()
        except TimeoutError as e:
            raise SlackAway("other calls of the channel take too long") from e
        try:
            while (pause := self.open_at - time.monotonic()) > 0:
                if time.monotonic() + pause > end:
                    raise SlackAway(f"the channel has to wait for {pause:.0f} s", after_s=pause)
                await asyncio.sleep(pause)
            yield
        finally:
            self.places.release()

    def close_for(self, seconds: float) -> None:
        """Slack named this time."""
        self.open_at = max(self.open_at, time.monotonic() + seconds)


class Pace:
    """Every channel's turns; one for all of a process."""

    def __init__(self) -> None:
        self._channels: defaultdict[str, _Channel] = defaultdict(_Channel)

    async def patiently(self, channel: str, call: Callable[[], Awaitable[T]], seconds: float) -> T:
        """What the call gives, tried again while Slack is away. Raises what it raises, `SlackAway` after that many seconds."""
        end = time.monotonic() + seconds
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(SlackAway),
            stop=stop_before_delay(seconds),
            wait=_wait,
            reraise=True,
            before_sleep=_note,
        )
        async for attempt in retrying:
            with attempt:
                return await self.once(channel, call, end - time.monotonic())
        raise AssertionError  # tenacity raises what the last attempt raised

    async def once(self, channel: str, call: Callable[[], Awaitable[T]], seconds: float = _SHORT_S) -> T:
        """What the call gives, in the channel's turn. Raises what it raises, `SlackAway` if the turn is not in that time."""
        waiting = self._channels[channel]
        async with waiting.turn(seconds):
            try:
                return await call()
            except SlackAway as e:
                waiting.close_for(e.after_s)
                raise


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    after_s = error.after_s if isinstance(error, SlackAway) else 0.0
    return after_s or _BACKOFF(state)


def _note(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("slack_away", reason=str(error), attempt=state.attempt_number, again_in_s=round(state.upcoming_sleep, 2))
