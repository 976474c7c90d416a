"""A claimed entry of the queue, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workers.queue.keys import GROUP, Keys
from workers.queue.server import Server
from workers.queue.status import State
from workers.queue.terms import Terms
from workers.seal import Seal


@dataclass(frozen=True)
class Store:
    """What everything about the queue needs to have at hand."""

    server: Server
    keys: Keys
    seal: Seal
    terms: Terms


@dataclass(frozen=True)
class Claim:
    """`fence` grows with every claim of the job, `attempt` is its how-manieth run, `reason` that of the last failure."""

    job_id: str
    entry: str
    fence: int
    attempt: int
    user: str
    cancelled_by: str
    reason: str

    def exhausted(self, attempts: int) -> str:
        """Why the job may not be run again; "" when it may."""
        if self.attempt <= attempts:
            return ""
        return self.reason or f"{attempts} workers ended in the middle of it"


async def end(store: Store, claim: Claim, state: State, reason: str) -> Any:
    """The end of the job: b"ok", or b"lost" when the claim is not current. Raises `QueueAway`."""
    keys, terms = store.keys, store.terms
    letter = "1" if state in (State.DEAD, State.REFUSED) else "0"
    return await store.server.run(
        "finish", (keys.job(claim.job_id), keys.queue, keys.unfinished(claim.user), keys.dead),
        claim.fence, GROUP, claim.entry, claim.job_id, state.value, reason, terms.keep_s, terms.dead_letters, letter,
    )  # fmt: skip
