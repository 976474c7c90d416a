"""From an agreement to a job that carries it out: heads sealed, plan signed, stored, handed over. I/O.

Each step can be the last of this process. What was signed is on disk before it leaves, so it is signed once; the job has the
nonce in its delivery, so there is one; its message counts once its position is stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import structlog

from bot.approver import notes
from bot.approver.approval import UNDO, Approval, Signed, State
from bot.approver.store import Store
from bot.approver.witness import NotSealed, Witness
from node_helper.changes import plan as plans
from node_helper.changes.grant import Grant
from node_helper.changes.plan import Plan
from workers.changes.mail import Mail
from workers.changes.signing import CannotSign, sign
from workers.job import Channel, Job
from workers.jobs import Forged, Jobs, QueueError
from workers.render import progress
from workers.render.progress import Progress
from workers.slack.errors import SlackError
from workers.slack.thread import Position, Thread

log = structlog.get_logger()

WINDOW_S = 600
"""How long a signature is good for: long enough for a queue and a canary, short for whoever finds it."""
CARRY_OUT = "carry_out"
"""The command of the job; its one word is the id under which the plan is signed."""
_PATIENCE_S = 8.0
_ANY = 1_000_000
"""What was agreed to does not wait for the other jobs of who asked."""
Which = Literal["do", "undo"]


class Held(Exception):
    """It has to wait; the reason in words."""


@dataclass(frozen=True)
class Granting:
    """`key` is the private key's file, `clock` gives seconds since 1970, `against` says why something is not to be signed now."""

    store: Store
    jobs: Jobs
    mail: Mail
    thread: Thread
    witness: Witness
    key: Path
    clock: Callable[[], float]
    against: Callable[[Approval], str]

    async def grant(self, approval: Approval, which: Which) -> None:
        """A worker has it, or can have it. Raises `Held`; do it again then, as long as the approval waits for it."""
        try:
            signed = approval.signed(which) or await self._signed(approval, which)
            if signed is None:
                return
            await self._handed_over(approval, signed)
        except NotSealed as e:
            raise Held(f"the audit is not sealed: {e}") from e
        except CannotSign as e:
            raise Held(str(e)) from e
        except (QueueError, Forged, SlackError) as e:
            raise Held(f"{e}") from e

    async def _signed(self, approval: Approval, which: Which) -> Signed | None:
        """Made, signed and stored. None where time has run out meanwhile, or was over before."""
        plan = _plan(approval, which, int(self.clock()))
        if plan is None:
            return None
        if which == "do" and (why := self.against(approval)):
            raise Held(why)
        digest = hashlib.sha256(plans.canonical(plan).encode()).hexdigest()
        await self.witness.note(notes.signing(approval, plan.approval, plan.nonce, digest))
        await self.witness.seal()
        grant = await asyncio.to_thread(sign, plan, self.key)
        signed = Signed(plan.approval, plan.nonce, grant.plan, grant.signature, plan.issued, plan.expires, secrets.token_hex(6))
        with self.store.transaction():
            known = self.store.get(approval.id)
            if known is None or known.state is not approval.state:
                return None
            self.store.sign(signed)
            after = replace(known, granted=signed) if which == "do" else replace(known, undo=signed)
            self.store.put(after, self.clock(), "", f"signed to {which}")
        log.info("granted", approval=approval.id, nonce=signed.nonce, which=which)
        return signed

    async def _handed_over(self, approval: Approval, signed: Signed) -> None:
        """The usual way of a job: intended, placed, queued; each step is harmless to repeat."""
        if self.clock() >= signed.expires:
            return
        await self.mail.put_grant(signed.approval, Grant(signed.plan, signed.signature))
        job = _job(approval, signed, self.clock())
        job_id = await self.jobs.intend(job, at_once=_ANY)
        if (await self.jobs.status(job_id)).ts is None:
            message = progress.message(Progress(job_id, job.text))
            at: Position = await self.thread.place(job.channel, message, _PATIENCE_S)
            await self.jobs.placed(job_id, at.ts)
        await self.jobs.queue(job_id)
        log.info("grant_queued", approval=approval.id, job=job_id)


def _plan(approval: Approval, which: Which, now: int) -> Plan | None:
    """The change that was agreed to, or what takes it back where it was done; None where it is too late for it."""
    nonce, draft = secrets.token_hex(16), approval.proposal.draft
    if which == "do":
        expires = min(int(approval.expires), now + WINDOW_S)
        if approval.state is not State.GRANTED or expires <= now:
            return None
        cluster = approval.proposal.job.cluster
        return Plan(plans.VERSION, cluster, draft.key, approval.id, nonce, now, expires, draft.hold_s, "", draft.targets)
    if approval.state is not State.UNDOING or approval.granted is None:
        return None
    done = plans.read(approval.granted.plan)
    return plans.reverse(
        done, approval.granted.to_undo, approval=f"{approval.id}{UNDO}", nonce=nonce, issued=now, expires=now + WINDOW_S
    )


def _job(approval: Approval, signed: Signed, now: float) -> Job:
    """For the requester, under the card."""
    asked = approval.proposal.job
    channel = Channel(asked.channel.id, asked.channel.thread or approval.ts, asked.channel.shared)
    created = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Job(
        signed.job, CARRY_OUT, {"approval": signed.approval}, asked.namespace, asked.cluster, asked.requester, channel,
        f"grant:{signed.nonce}", asked.trace, created, f"{CARRY_OUT} {signed.approval}",
    )  # fmt: skip
