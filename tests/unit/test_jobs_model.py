"""Any sequence of what bots, workers and people do to the queue, beside a model of what each step must answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule, run_state_machine_as_test

from tests.examples import few
from tests.queue_parts import job
from workers import seal
from workers.jobs import Depth, Jobs, Lease, LostLease, NotPlaced, Server, State, Terms, TooMany
from workers.queue.keys import CONSUMER, GROUP, Keys

T = TypeVar("T")
TERMS = Terms(lease_s=60, attempts=2, retry_delay_s=0, open_per_user=4)
BURIED_AFTER = TERMS.attempts + 3
USERS = st.sampled_from(["U1", "U2"])
DELIVERIES = st.sampled_from(["D1", "D2", "D3"]) | st.uuids().map(str)


@dataclass
class Known:
    """What the model knows of one job; `turn` orders the entries of the queue, `lapsed` when its holder is silent too long."""

    user: str
    state: State = State.INTENDED
    ts: str | None = None
    fence: int = 0
    attempt: int = 0
    cancelled_by: str = ""
    counts: bool = True
    turn: int = 0
    lapsed: bool = False
    outcome: bytes | None = None


@dataclass
class Model:
    """The whole queue, in plain Python."""

    jobs: dict[str, Known] = field(default_factory=dict)
    deliveries: dict[str, str] = field(default_factory=dict)
    turns: int = 0
    dead: int = 0

    def next_turn(self) -> int:
        self.turns += 1
        return self.turns

    def unfinished(self, user: str) -> int:
        return sum(k.counts for k in self.jobs.values() if k.user == user)

    def waiting(self, state: State) -> list[str]:
        names = [n for n, k in self.jobs.items() if k.state is state and (state is State.QUEUED or k.lapsed)]
        return sorted(names, key=lambda n: self.jobs[n].turn)

    def take(self) -> str | None:
        """Lapsed leases first; a job that was given out too often is buried instead."""
        for name in [*self.waiting(State.RUNNING), *self.waiting(State.QUEUED)[:1]]:
            known = self.jobs[name]
            known.fence, known.attempt, known.state, known.lapsed = known.fence + 1, known.attempt + 1, State.RUNNING, False
            if known.attempt <= BURIED_AFTER:
                return name
            self.end(name, State.DEAD)
        return None

    def end(self, name: str, state: State) -> None:
        known = self.jobs[name]
        known.state, known.counts = state, False
        self.dead += state in (State.DEAD, State.REFUSED)


class Life(RuleBasedStateMachine):
    """One installation; `url` and `key_file` are set by the test."""

    url: str
    key_file: Path
    names = Bundle[str]("names")
    leases = Bundle[Lease]("leases")

    def __init__(self) -> None:
        super().__init__()
        self.tag = f"m{secrets.token_hex(4)}"
        self.runner = asyncio.Runner()
        self.jobs = Jobs(Server(self.url), seal.read(self.key_file), TERMS, tag=self.tag)
        self.model = Model()

    def teardown(self) -> None:
        self.do(self.jobs.aclose())
        self.runner.close()

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(step)

    @rule(target=names, user=USERS, delivery=DELIVERIES)
    def intend(self, user: str, delivery: str) -> Any:
        asked = job(user, delivery)
        if delivery in self.model.deliveries:
            assert self.do(self.jobs.intend(asked)) == self.model.deliveries[delivery]
            return multiple()
        if self.model.unfinished(user) >= TERMS.open_per_user:
            with pytest.raises(TooMany):
                self.do(self.jobs.intend(asked))
            return multiple()
        assert self.do(self.jobs.intend(asked)) == asked.id
        self.model.deliveries[delivery] = asked.id
        self.model.jobs[asked.id] = Known(user)
        return asked.id

    @rule(target=names, user=USERS, delivery=st.uuids().map(str))
    def ask(self, user: str, delivery: str) -> Any:
        """All that a bot does, so that workers have much to do."""
        name = self.intend(user, delivery)
        if isinstance(name, str):
            self.placed(name, "1.0")
            self.queue(name)
        return name

    @rule(name=names, ts=st.sampled_from(["1.0", "2.0"]))
    def placed(self, name: str, ts: str) -> None:
        known = self.model.jobs[name]
        known.ts = known.ts or ts
        assert self.do(self.jobs.placed(name, ts)) == known.ts

    @rule(name=names)
    def queue(self, name: str) -> None:
        known = self.model.jobs[name]
        if known.state is State.INTENDED and known.ts is None:
            with pytest.raises(NotPlaced):
                self.do(self.jobs.queue(name))
            return
        self.do(self.jobs.queue(name))
        if known.state is State.INTENDED:
            known.state, known.turn = State.QUEUED, self.model.next_turn()

    @rule(target=leases)
    def take(self) -> Any:
        self.jobs._taker._swept = float("-inf")
        expected = self.model.take()
        lease = self.do(self.jobs._taker.take("w", 0))
        if expected is None:
            assert lease is None
            return multiple()
        known = self.model.jobs[expected]
        assert lease is not None
        assert (lease.job.id, lease.fence, lease.attempt) == (expected, known.fence, known.attempt)
        assert bool(lease.exhausted) is (known.attempt > TERMS.attempts)
        assert lease.cancelled_by == known.cancelled_by
        return lease

    @rule(lease=leases)
    def holder_falls_silent(self, lease: Lease) -> None:
        if self.holds(lease):
            self.model.jobs[lease.job.id].lapsed = True
            age = round(TERMS.lease_s * 1000) + 1000
            queue = Keys(self.tag).queue
            self.do(self.jobs._store.server.command("XCLAIM", queue, GROUP, CONSUMER, 0, lease._claim.entry, "IDLE", age))

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        held = self.holds(lease)
        self.do(lease._renew())
        if held:
            self.model.jobs[lease.job.id].lapsed = False
            assert lease.cancelled_by == self.model.jobs[lease.job.id].cancelled_by

    @rule(lease=leases, data=st.binary(max_size=9))
    def store_outcome(self, lease: Lease, data: bytes) -> None:
        if self.written(lease, lease.store_outcome(data)):
            self.model.jobs[lease.job.id].outcome = data

    @rule(lease=consumes(leases), state=st.sampled_from([s for s in State if s.over]))
    def finish(self, lease: Lease, state: State) -> None:
        if self.written(lease, lease.finish(state)):
            self.model.end(lease.job.id, state)

    @rule(lease=leases)
    def hand_back(self, lease: Lease) -> None:
        if self.written(lease, lease.hand_back()):
            self.model.jobs[lease.job.id].attempt -= 1
            self.requeue(lease)

    @rule(lease=leases)
    def retry_later(self, lease: Lease) -> None:
        held = self.holds(lease)
        if not held:
            with pytest.raises(LostLease):
                self.do(lease.retry_later("again"))
            return
        again = self.do(lease.retry_later("again"))
        assert again is (self.model.jobs[lease.job.id].attempt < TERMS.attempts)
        if again:
            self.requeue(lease)

    @rule(name=names)
    def cancel(self, name: str) -> None:
        known = self.model.jobs[name]
        assert self.do(self.jobs.cancel(name, "U9")) is known.state
        if not known.state.over:
            known.cancelled_by, known.counts = "U9", False

    @rule(name=names)
    def abandon(self, name: str) -> None:
        known = self.model.jobs[name]
        self.do(self.jobs.abandon(self.do(self.jobs.record(name)), "not in channel"))
        if known.state is State.INTENDED:
            known.state, known.counts = State.REFUSED, False

    @invariant()
    def depth_agrees(self) -> None:
        states = [known.state for known in self.model.jobs.values()]
        queued, running, intended = (states.count(s) for s in (State.QUEUED, State.RUNNING, State.INTENDED))
        assert self.do(self.jobs.depth()) == Depth(intended, queued, running, 0, self.model.dead)

    @invariant()
    def every_job_agrees(self) -> None:
        for name, known in self.model.jobs.items():
            status = self.do(self.jobs.status(name))
            seen = (status.state, status.ts, status.attempt, status.cancelled_by)
            assert seen == (known.state, known.ts, known.attempt, known.cancelled_by)
            assert self.do(self.jobs.outcome(name)) == known.outcome

    def holds(self, lease: Lease) -> bool:
        known = self.model.jobs[lease.job.id]
        return known.state is State.RUNNING and known.fence == lease.fence

    def written(self, lease: Lease, step: Coroutine[Any, Any, None]) -> bool:
        """Whether the write was the holder's; anybody else's is refused."""
        held = self.holds(lease)
        if held:
            self.do(step)
        else:
            with pytest.raises(LostLease):
                self.do(step)
        return held

    def requeue(self, lease: Lease) -> None:
        known = self.model.jobs[lease.job.id]
        known.state, known.turn, known.lapsed = State.QUEUED, self.model.next_turn(), False


@pytest.mark.hypothesis
def test_the_queue_does_what_its_model_does(redis_folder: tuple[str, Path]) -> None:
    url, folder = redis_folder
    seal.read_or_make(folder / "job.key")
    machine = type("LifeHere", (Life,), {"url": url, "key_file": folder / "job.key"})
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(machine, settings=settings(few(20), stateful_step_count=30, suppress_health_check=slow))
