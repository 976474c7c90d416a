"""The bot's way to the approver, and back: what people did goes there sealed, what it shows is read here. I/O."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.approver.board import STALE_S, Board, Coded, Posted
from workers.changes.letters import Act, CodeWanted, Voice
from workers.changes.mail import Mail
from workers.errors import UsageError
from workers.job import Channel, Requester
from workers.jobs import Forged

CODE = "code:"
"""Begins the delivery of what was confirmed by a terminal's code, which is so good for one."""


class NoApprover(UsageError):
    """Nobody can decide about changes now."""


@dataclass(frozen=True)
class Approvals:
    """Everything raises `QueueAway` where Redis does not answer."""

    mail: Mail

    async def board(self) -> Board:
        """What the approver shows. Raises `NoApprover` where it shows nothing, or has not for a while."""
        try:
            said = await self.mail.board()
            board = Board.loads(*said) if said else None
        except (Forged, ValueError) as e:
            raise NoApprover(f"what is said to be the approver's is not: {e}") from e
        if board is None:
            raise NoApprover("there is no approver here, so nothing can be changed; deploy/README.md says how to set one up")
        if time.time() - board.at > STALE_S:
            raise NoApprover("the approver does not answer, so nothing can be decided now; nothing is lost, try again later")
        return board

    async def posted(self, approval: str) -> Posted:
        """One of its approvals. Raises `NoApprover`, `UsageError`."""
        board = await self.board()
        posted = board.find(approval)
        if posted is None:
            open_ = tuple(p.id for p in board.approvals if p.open)
            raise UsageError(f"there is no approval {approval}", nearest=open_[:3])
        return posted

    async def coded(self, code: str) -> tuple[Coded, Posted]:
        """What a terminal's code is for. Raises `NoApprover`, `UsageError`."""
        board = await self.board()
        coded = board.coded(code)
        posted = board.find(coded.approval) if coded else None
        if coded is None or posted is None or coded.expires < time.time():
            raise UsageError(f"the code {code} is not known, or has expired; make another one at the terminal")
        if coded.answer:
            raise UsageError(f"the code {code} has been used: {coded.answer}")
        return coded, posted

    async def say(self, voice: Voice) -> None:
        """Somebody did this, and Slack proved who; it is on its way when this returns."""
        await self.mail.send(voice)

    async def want_code(self, code: str, approval: str, act: Act, reason: str) -> None:
        """Somebody at a terminal made this code."""
        await self.mail.send(CodeWanted(code, approval, act, reason, now()))


@dataclass(frozen=True)
class Decisions:
    """The same for one command of one person: `person` asks Slack anew who that is, since a minute can make a difference."""

    approvals: Approvals
    person: Callable[[], Awaitable[Requester]]
    channel: Channel
    delivery: str
    trace: str

    async def board(self) -> Board:
        """As `Approvals`."""
        return await self.approvals.board()

    async def posted(self, approval: str) -> Posted:
        """As `Approvals`."""
        return await self.approvals.posted(approval)

    async def coded(self, code: str) -> tuple[Coded, Posted]:
        """As `Approvals`."""
        return await self.approvals.coded(code)

    async def say(self, act: Act, approval: str, reason: str) -> None:
        """The person's word is on its way."""
        who = await self.person()
        await self.approvals.say(Voice(approval, act, who, self.channel, reason, self.delivery, self.trace, now()))


def now() -> str:
    """RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
