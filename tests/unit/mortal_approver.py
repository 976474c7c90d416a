"""An approver whose life ends after so many things that it does outside itself, be it in Redis, its store or Slack."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from bot.approver.service import Means, Work
from bot.approver.store import Store
from tests.approvals import RULE, Clock, Seen, policy
from tests.queue_parts import QUICK
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.changes.mail import Mail
from workers.jobs import Jobs, Server
from workers.render.message import Block, Message
from workers.slack.client import Slack
from workers.slack.thread import Thread

T = TypeVar("T")
MANY = 1_000_000
VOICES = seal.Seal((seal.Key("v", b"v" * 32),))


class Killed(BaseException):
    """As SIGKILL: nothing that ran gets to do anything any more."""


@dataclass
class Life:
    """Ends after so many things were done outside: being killed before the next one is the same."""

    left: int = MANY

    @property
    def over(self) -> bool:
        return self.left <= 0

    async def spend(self, call: Callable[[], Awaitable[T]]) -> T:
        self.left -= 1
        if self.left < 0:
            raise Killed
        done = await call()
        if self.over:
            raise Killed
        return done


class MortalServer(Server):
    def __init__(self, url: str, life: Life) -> None:
        super().__init__(url)
        self.life = life

    async def _answered(self, call: Callable[[Any], Awaitable[T]]) -> T:
        return await self.life.spend(lambda: super(MortalServer, self)._answered(call))


class MortalStore(Store):
    life = Life()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            yield
        self.life.left -= 1
        if self.life.over:
            raise Killed


@dataclass
class Office:
    """Slack as far as the approver needs it, outside every life: what stands where."""

    messages: dict[str, str] = field(default_factory=dict)
    replies: list[tuple[str | None, str]] = field(default_factory=list)


@dataclass
class Hands:
    office: Office
    life: Life

    async def post(self, channel: str, text: str, blocks: Sequence[Block], thread: str | None) -> str:
        del channel, blocks

        async def done() -> str:
            self.office.replies.append((thread, text))
            return f"17.{len(self.office.replies)}"

        return await self.life.spend(done)

    async def update(self, channel: str, ts: str, text: str, blocks: Sequence[Block]) -> None:
        del channel

        async def done() -> None:
            self.office.messages[ts] = text + str(blocks)

        await self.life.spend(done)

    async def whisper(self, channel: str, user: str, message: Message, thread: str | None) -> None:
        del channel, user, message, thread

        async def done() -> None:
            return None

        await self.life.spend(done)


@dataclass
class Installation:
    place: RedisPlace
    folder: Path
    key: Path
    office: Office = field(default_factory=Office)
    seen: Seen = field(default_factory=Seen)
    clock: Clock = field(default_factory=Clock)

    def jobs(self, life: Life) -> Jobs:
        return Jobs(MortalServer(self.place.url, life), seal.read(self.place.key_file), QUICK, tag=self.place.tag)

    async def live(self, life: Life, done: Callable[[Work], bool]) -> bool:
        """Whether it lived until that was so."""
        jobs, store = self.jobs(life), MortalStore(self.folder)
        store.life = life
        try:
            work = work_of(self, jobs, store, life)
            async with asyncio.timeout(20):
                while not done(work) or store.errands():
                    await work.listen()
                    await work.show()
                    await work.run()
                    self.clock.at += 1
        except Killed:
            return False
        finally:
            life.left = MANY
            store.close()
            await jobs.aclose()
        return True

    async def send(self, *letters: Any) -> None:
        jobs = self.jobs(Life())
        mail: Mail = jobs.mail(VOICES)
        for letter in letters:
            await mail.send(letter)
        await jobs.aclose()

    async def stored(self) -> tuple[int, int]:
        """How many grants are signed, and how many jobs wait."""
        store, jobs = Store(self.folder), self.jobs(Life())
        (count,) = store._db.execute("SELECT count(*) FROM signed").fetchone()
        waiting = (await jobs.depth()).waiting
        store.close()
        await jobs.aclose()
        return int(count), waiting


def work_of(it: Installation, jobs: Jobs, store: Store, life: Life | None = None) -> Work:
    """The approver's work there; without a life it does not end."""
    thread = Thread(cast("Slack", Hands(it.office, life or Life())))  # all of it that the approver uses
    seen = contextlib.nullcontext(it.seen)
    means = Means(it.folder, it.key, jobs, jobs.mail(VOICES), thread, lambda: policy(RULE), lambda: seen, it.clock)
    return Work(means, store, it.seen)
