"""What Slack delivered is kept before it is acknowledged, served after, and served by another bot where its own has died.

The delivery's id keeps it at one job or one answer, however often it is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from bot.aside import ANSWERED
from bot.asked import Asked
from bot.delivered import Delivered, dumps, lasts, loads
from bot.desk import Desk
from bot.pressed import Pressed
from bot.voting import Voting
from workers.jobs import QueueAway
from workers.queue.inbox import Inbox, Kept

log = structlog.get_logger()

LAPSE_S = 5.0
"""A bot that has not said for so long that it serves a delivery has died."""
_IN_TIME_S = 0.3
"""Slack waits 3 seconds for the acknowledgement; a Redis that is away must not use them up."""


class Reception:
    """Serves as many at once as come. What was begun goes on after the acknowledgement; `drain` waits for that."""

    def __init__(self, inbox: Inbox, desk: Desk, voting: Voting) -> None:
        self._inbox, self._desk, self._voting = inbox, desk, voting
        self._tasks: set[asyncio.Task[object]] = set()
        self._in_hand: list[str] = []
        self._served: set[str] = set()
        self._closing = False

    async def receive(self, delivered: Delivered) -> None:
        """It may be acknowledged now: it is kept, if Redis took it in time, and being served."""
        if not lasts(delivered):
            self.begin(self._outcome(delivered))
            return
        keeping = asyncio.create_task(self._keep(delivered))
        await asyncio.wait({keeping}, timeout=_IN_TIME_S)
        self.begin(self._serve(delivered, keeping))

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Goes on beside the rest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def look_after(self, lapse_s: float = LAPSE_S) -> None:
        """Until it is cancelled. Run it in every bot: each delivery whose bot has died is given to one of them only."""
        while True:
            await asyncio.sleep(lapse_s / 4)
            try:
                await self._inbox.hold(self._in_hand)
                await self._take_away()
                for kept in () if self._closing else await self._inbox.lapsed(lapse_s):
                    self._adopt(kept)
            except QueueAway as e:
                log.warning("inbox_waits", reason=str(e))

    async def drain(self, seconds: float) -> None:
        """Returns when what was begun is done, or after that time; what is not done then is another bot's."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def _keep(self, delivered: Delivered) -> bool:
        """False where it is known that it was kept before."""
        try:
            return await self._inbox.keep(delivered.delivery, dumps(delivered))
        except QueueAway as e:
            log.warning("delivery_not_kept", reason=str(e))
            return True

    async def _serve(self, delivered: Delivered, keeping: asyncio.Task[bool]) -> None:
        """One that comes again while somebody answers it stays kept until that one has answered."""
        with self._holding(delivered.delivery):
            outcome, first = await self._outcome(delivered), await keeping
        if first or outcome != ANSWERED:
            await self._take_away(delivered.delivery)

    def _adopt(self, kept: Kept) -> None:
        try:
            delivered = loads(kept.said)
        except ValueError as e:
            log.error("delivery_not_understood", reason=str(e))  # noqa: TRY400  (another version's; it is forgotten when it is stale)
            return
        if kept.delivery not in self._in_hand:
            log.warning("delivery_adopted", kind=type(delivered).__name__)
            self.begin(self._serve_again(delivered))

    async def _serve_again(self, delivered: Delivered) -> None:
        """What its bot began before it died is not done twice: a job goes its way, of an answer nobody knows who saw it."""
        with self._holding(delivered.delivery):
            outcome = await self._outcome(delivered)
            if outcome == ANSWERED and isinstance(delivered, Asked):
                await self._desk.interrupted(delivered)
        await self._take_away(delivered.delivery)

    async def _outcome(self, delivered: Delivered) -> str:
        if isinstance(delivered, Asked):
            return await self._desk.serve(delivered)
        if isinstance(delivered, Pressed):
            await self._voting.clicked(delivered)
        else:
            await self._voting.entered(delivered)
        return ""

    @contextmanager
    def _holding(self, delivery: str) -> Iterator[None]:
        self._in_hand.append(delivery)
        try:
            yield
        finally:
            self._in_hand.remove(delivery)

    async def _take_away(self, *served: str) -> None:
        """What Redis does not let go yet is tried again by `look_after`."""
        self._served.update(served)
        gone = tuple(self._served)
        try:
            await self._inbox.served(*gone)
        except QueueAway as e:
            log.warning("served_not_taken_away", reason=str(e))
        else:
            self._served.difference_update(gone)
