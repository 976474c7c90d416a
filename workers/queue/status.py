"""What is known of a job from outside: its state, its message, and who did what to it when."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from workers.job import Job
from workers.queue import position
from workers.seal import Seal


class State(enum.Enum):
    """From intent to end; the last five are ends."""

    INTENDED = "intended"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD = "dead"
    REFUSED = "refused"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self not in (State.INTENDED, State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class Status:
    """`ts` is its message's, None while there is none; `cancelled_by` "" for nobody; times in seconds since 1970, 0.0 not yet."""

    job: Job
    state: State
    ts: str | None
    attempt: int
    progress: str
    cancelled_by: str
    reason: str
    intended: float
    queued: float
    started: float
    finished: float


@dataclass(frozen=True)
class Intent:
    """A job whose bot has died before it was queued: post a message unless there is one (`ts`), store its ts, queue."""

    job: Job
    ts: str | None


@dataclass(frozen=True)
class DeadLetter:
    """A job that was given up, why, and when (seconds since 1970)."""

    job_id: str
    reason: str
    at: float


@dataclass(frozen=True)
class Depth:
    """How many jobs are where: `intended` ones have no message yet, `waiting` no worker, `later` wait for another attempt."""

    intended: int
    waiting: int
    running: int
    later: int
    dead: int


FIELDS = ("state", "ts", "attempt", "progress", "cancel", "reason", "intended", "queued", "started", "finished")


def status(job: Job, seal: Seal, seen: list[bytes | None]) -> Status:
    """The status that the values of `FIELDS` say; the ts counts with our seal only."""
    said = {name: (value or b"").decode("utf-8", "replace") for name, value in zip(FIELDS, seen, strict=True)}
    times = {name: int(said[name] or "0") / 1000 for name in ("intended", "queued", "started", "finished")}
    ts = position.opened(seal, job.id, seen[FIELDS.index("ts")])
    return Status(
        job=job, state=State(said["state"]), ts=ts, attempt=int(said["attempt"] or "0"),
        progress=said["progress"], cancelled_by=said["cancel"], reason=said["reason"], **times,
    )  # fmt: skip
