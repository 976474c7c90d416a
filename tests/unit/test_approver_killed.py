"""The approver dies after each thing that it does outside itself; one grant, one job and one card come of it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from bot.approver import service
from bot.approver.approval import State
from bot.approver.service import Means, Work
from bot.approver.store import Store
from node_helper.changes import plan as plans
from tests.approvals import ALICE, BOB, RULE, Clock, Seen, policy, proposal, voice
from tests.change_node import make_key
from tests.queue_parts import QUICK
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.changes.mail import Mail
from workers.changes.proposal import CarriedOut, NodeEnd
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
        thread = Thread(cast("Slack", Hands(self.office, life)))  # all of it that the approver uses
        means = Means(
            self.folder,
            self.key,
            jobs,
            jobs.mail(VOICES),
            thread,
            lambda: policy(RULE),
            lambda: contextlib.nullcontext(self.seen),
            self.clock,
        )
        try:
            work = Work(means, store, self.seen)
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


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("approver") / "key")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder of which so many commits take no time; that they are on disk is the store's own test."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def state_is(*states: State) -> Callable[[Work], bool]:
    def so(work: Work) -> bool:
        approval = work.store.get(proposal().id)
        return approval is not None and approval.state in states

    return so


def queued(work: Work) -> bool:
    approval = work.store.get(proposal().id)
    return approval is not None and approval.granted is not None


async def test_whatever_step_is_the_last_there_is_one_grant_one_job_and_one_card(
    redis_place: RedisPlace, memory: Path, signing_key: Path
) -> None:
    lived, step = False, 0
    while not lived:
        step += 1
        place = RedisPlace(redis_place.url, redis_place.key_file, f"{redis_place.tag}-{step}")
        it = Installation(place, memory / f"{step}", signing_key)
        await it.send(proposal(), voice("approve", BOB), voice("approve", BOB, delivery="again"), voice("withdraw", ALICE))
        lived = await it.live(Life(step), queued)
        assert await it.live(Life(), queued)
        assert await it.stored() == (1, 1)
        store = Store(it.folder)
        approval = store.get(proposal().id)
        store.close()
        assert approval is not None
        assert approval.granted is not None
        jobs = it.jobs(Life())
        grant = await jobs.mail(VOICES).grant(approval.id)
        assert grant is not None
        assert (grant.plan, plans.read(grant.plan).nonce) == (approval.granted.plan, approval.granted.nonce)
        assert (await jobs.status(approval.granted.job)).job.delivery == f"grant:{approval.granted.nonce}"
        await jobs.aclose()
        await it.send(CarriedOut(approval.id, approval.granted.nonce, (NodeEnd("node-one", "done"),)))
        assert await it.live(Life(), state_is(State.DONE))
        assert list(it.office.messages) == [proposal().ts]
        assert "carried out" in it.office.messages[proposal().ts]
    assert step > 20


async def test_a_report_and_an_undo_survive_the_same(redis_place: RedisPlace, memory: Path, signing_key: Path) -> None:
    lived, step = False, 0
    while not lived:
        step += 2
        place = RedisPlace(redis_place.url, redis_place.key_file, f"{redis_place.tag}-{step}")
        it = Installation(place, memory / f"{step}", signing_key)
        await it.send(proposal(), voice("approve", BOB))
        assert await it.live(Life(), queued)
        store = Store(it.folder)
        approval = store.get(proposal().id)
        store.close()
        assert approval is not None
        assert approval.granted is not None
        report = CarriedOut(approval.id, approval.granted.nonce, (NodeEnd("node-one", "done"),))
        await it.send(report, voice("undo", ALICE, it.clock.at), report)
        lived = await it.live(Life(step), lambda work: bool((a := work.store.get(proposal().id)) and a.undo))
        assert await it.live(Life(), lambda work: bool((a := work.store.get(proposal().id)) and a.undo))
        assert await it.stored() == (2, 2)
    assert step > 10


async def test_of_two_approvers_with_stores_of_their_own_the_later_one_does_nothing(
    redis_place: RedisPlace, memory: Path, signing_key: Path
) -> None:
    first, second = Installation(redis_place, memory / "1", signing_key), Installation(redis_place, memory / "2", signing_key)
    second.clock.at += 60
    first.clock.at += 61
    first_jobs, second_jobs = first.jobs(Life()), second.jobs(Life())
    works = [work_of(it, jobs) for it, jobs in ((first, first_jobs), (second, second_jobs))]
    earlier, later = works[1], works[0]
    for work in (earlier, later, earlier):
        await work.show()
    assert (earlier.aside, later.aside) == (False, True)
    await first.send(proposal())
    await later.listen()
    assert later.store.get(proposal().id) is None
    await earlier.listen()
    assert earlier.store.get(proposal().id) is not None
    for it in (first, second):
        it.clock.at += 100
    await later.show()
    assert not later.aside
    for work, jobs in zip(works, (first_jobs, second_jobs), strict=True):
        work.store.close()
        await jobs.aclose()


def work_of(it: Installation, jobs: Jobs) -> Work:
    thread = Thread(cast("Slack", Hands(it.office, Life())))
    means = Means(
        it.folder,
        it.key,
        jobs,
        jobs.mail(VOICES),
        thread,
        lambda: policy(RULE),
        lambda: contextlib.nullcontext(it.seen),
        it.clock,
    )
    return Work(means, Store(it.folder), it.seen)


async def test_a_store_that_cannot_be_opened_yet_is_tried_again(
    redis_place: RedisPlace, memory: Path, signing_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_LOCKED_S", 0.01)
    it = Installation(redis_place, memory / "1", signing_key)
    jobs = it.jobs(Life())
    work = work_of(it, jobs)
    taken = replace(work.means, folder=memory / "a file")
    taken.folder.write_text("somebody put it there")
    going = asyncio.create_task(service.inside(taken))
    await asyncio.sleep(0.05)
    taken.folder.unlink()
    shown = None
    for _ in range(1000):
        if shown := await work.means.mail.board():
            break
        await asyncio.sleep(0.02)
    assert shown
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    work.store.close()
    await jobs.aclose()
