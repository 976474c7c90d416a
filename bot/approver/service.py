"""The approver at work, inside a bot or as a process of its own; there is one for each store, and one for each Redis.

What it does is on disk before it is said, so it can be ended at any time, by any means, and goes on where it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from prometheus_client import Gauge

from bot.approver.approver import Approver
from bot.approver.board import STALE_S, Beat, Board, digest
from bot.approver.errands import Errands
from bot.approver.granting import Granting
from bot.approver.store import Store, Taken
from bot.approver.witness import Witness
from workers.changes.mail import Mail
from workers.jobs import Forged, Jobs, QueueAway
from workers.policy.rules import Rules
from workers.slack.thread import Thread

log = structlog.get_logger()

OPEN = Gauge("netcheck_approvals_waiting", "Approvals that people are waited for")
HELD = Gauge("netcheck_approvals_held", "Approvals that were agreed to and cannot be signed now")
_EVERY_S = 0.2
_SHOWN_S = 5.0
_CHANNELS_S = 2.0
_WHOLE_S = 60.0
"""What only time changes on the board may be so old."""
_PAUSE_S = 1.0
_LOCKED_S = 5.0


@dataclass(frozen=True)
class Means:
    """What an approver works with. `folder` is its store's, `key` the private key's file, `witness` opens the audit.

    `clock` gives seconds since 1970.
    """

    folder: Path
    key: Path
    jobs: Jobs
    mail: Mail
    thread: Thread
    policies: Callable[[], Rules]
    witness: Callable[[], AbstractAsyncContextManager[Witness]]
    clock: Callable[[], float] = time.time


@dataclass
class Work:
    """One approver. `trouble` is why it does nothing, "" while it works."""

    means: Means
    store: Store
    witness: Witness
    trouble: str = ""
    aside: bool = False
    approver: Approver = field(init=False)
    errands: Errands = field(init=False)
    _made: bytes = b""
    _made_at: float = 0.0
    _showing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Put together."""
        m = self.means
        self.approver = Approver(self.store, m.mail, m.policies, m.clock)
        granting = Granting(self.store, m.jobs, m.mail, m.thread, self.witness, m.key, m.clock, self.approver.against)
        self.errands = Errands(
            self.store, m.jobs, m.thread, granting, self.witness, self.approver.standing, m.clock, self.approver.held
        )

    async def go_on(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again("letters", self.listen))
            group.create_task(self._again("errands", self.run))
            group.create_task(self._again("board", self._show))
            group.create_task(self._again("channels", self.look_at_channels))

    async def listen(self) -> None:
        """Letters, then time. Raises `QueueAway`."""
        if not self.aside:
            await self.approver.listen()
            self.approver.pass_time()

    async def run(self) -> None:
        """Errands, when the board is there that their cards' buttons need. Raises `QueueAway`."""
        async with self._showing:
            if self.approver.changed:
                await self._shown_now()
        await self.errands.run()

    async def look_at_channels(self) -> None:
        """Whether others have come to read where cards are. Raises `QueueAway`."""
        for channel in self.approver.channels():
            if await self.means.jobs.channels.shared(channel):
                self.approver.overheard(channel)
        await asyncio.sleep(_CHANNELS_S)

    async def show(self) -> None:
        """The board, unless another approver works on this Redis. Raises `QueueAway`."""
        async with self._showing:
            await self._shown_now()

    async def _shown_now(self) -> None:
        now = self.means.clock()
        if self.approver.changed or now - self._made_at > _WHOLE_S:
            self.approver.changed = False
            board = self.approver.board()
            self._made, self._made_at = replace(board, at=0.0).dumps(), now
            OPEN.set(sum(posted.open for posted in board.approvals))
        HELD.set(len(self.approver.held))
        shown = await self._shown()
        self.aside = self._other(shown[1] if shown else None, now)
        if not self.aside:
            mine = shown is not None and shown[0] == self._made
            await self.means.mail.show(Beat(now, digest(self._made)).dumps(), None if mine else self._made)

    async def _show(self) -> None:
        await self.show()
        for _ in range(round(_SHOWN_S / _EVERY_S)):
            if self.approver.changed:
                return
            await asyncio.sleep(_EVERY_S)

    async def _shown(self) -> tuple[bytes, Board] | None:
        """What is shown now, by whom ever."""
        try:
            said = await self.means.mail.board()
            return (said[1], Board.loads(*said)) if said else None
        except (Forged, ValueError) as e:
            log.error("board_forged", reason=str(e))  # noqa: TRY400  (hostile data, not a fault of ours)
            return None

    def _other(self, shown: Board | None, now: float) -> bool:
        """Of two with stores of their own, the later one does nothing: people's words must not be split between them."""
        mine = (self.approver.since, self.store.id)
        other = shown is not None and shown.store != self.store.id and now - shown.at < STALE_S
        aside = other and shown is not None and (shown.since, shown.store) < mine
        if aside and not self.aside:
            log.error("approver_stands_aside", other=shown.store if shown else "")
        return aside

    async def _again(self, what: str, turn: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await turn()
                self.trouble = "another approver works on this Redis with a store of its own" if self.aside else ""
                await asyncio.sleep(_EVERY_S)
            except QueueAway as e:
                self.trouble = f"Redis: {e}"
                log.warning("approver_waits", what=what, reason=str(e))
                await asyncio.sleep(_PAUSE_S)
            except Exception:  # our own fault: it is tried again, since nobody else does this work
                log.exception("approver_failed", what=what)
                await asyncio.sleep(_PAUSE_S)


async def inside(means: Means) -> None:
    """Until it is cancelled: the approver, as soon as no other process has the store."""
    told = False
    while True:
        try:
            store = Store(means.folder)
        except Taken as e:
            if not told:
                log.info("approver_elsewhere", reason=str(e))
            told = True
            await asyncio.sleep(_LOCKED_S)
            continue
        except Exception:  # a disk that is full, a folder of somebody else: as below
            log.exception("approver_failed")
            await asyncio.sleep(_LOCKED_S)
            continue
        try:
            log.info("approver_starts", store=store.id)
            async with means.witness() as witness:
                await Work(means, store, witness).go_on()
        except Exception:  # whatever it was: people are told that the approver does not answer, and it is tried again
            log.exception("approver_failed")
            await asyncio.sleep(_LOCKED_S)
        finally:
            store.close()
