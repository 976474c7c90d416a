"""Jobs to queue in tests, and terms on which nothing takes long."""

from __future__ import annotations

import fcntl
import secrets
from pathlib import Path

from workers import seal
from workers.job import Channel, Job, Requester
from workers.jobs import Jobs, Server, Terms

QUICK = Terms(lease_s=0.4, heartbeat_s=0.05, retry_delay_s=0.05, open_per_user=1000, patience_s=5.0)


def job(user: str = "U1", delivery: str = "") -> Job:
    """A new job; of a new delivery unless one is named."""
    name = secrets.token_hex(6)
    return Job(
        id=name, command="pod", words={"target": "hello-world"}, namespace="default", cluster="lab", requester=Requester(user),
        channel=Channel("C1"), delivery=delivery or f"D-{name}", trace=f"t-{name}", created="2026-01-01T00:00:00Z",
    )  # fmt: skip


def jobs_at(url: str, key_file: Path, terms: Terms = QUICK, tag: str = "netcheck") -> Jobs:
    """Another process' view of the same jobs."""
    return Jobs(Server(url), seal.read(key_file), terms, tag=tag)


async def queued(jobs: Jobs, one: Job | None = None, ts: str = "") -> Job:
    """A job that waits for a worker."""
    one = one or job()
    await jobs.intend(one)
    await jobs.placed(one.id, ts or f"ts-{one.id}")
    await jobs.queue(one.id)
    return one


def wait_until_ended(folder: Path) -> None:
    """Returns when neither keeper nor server of the embedded Redis in `folder` runs; both hold this lock."""
    with (folder / "redis" / "keeper.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
