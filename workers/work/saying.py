"""The result of a job, said where it was asked and to the person alone; or, where others came to read, that it is not said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from workers.job import Channel
from workers.queue.lease import Lease
from workers.queue.status import State
from workers.render import notices
from workers.slack import direct
from workers.slack.thread import Thread
from workers.work import result
from workers.work.outcome import Outcome
from workers.work.telling import age

OVERTAKEN = (
    "others came to read this channel while the answer was made, so it is not said; ask again for what the policy allows now"
)


async def say(thread: Thread, lease: Lease, outcome: Outcome, redacts: Callable[[Channel], bool]) -> Outcome:
    """What was said in the end. Raises `SlackRefused`, `SlackAway`, `QueueError`: nothing is lost then, do it again later."""
    job = lease.job
    if not outcome.redacted and await lease.shared() and redacts(replace(job.channel, shared=True)):
        outcome = Outcome(State.REFUSED, notices.refused(OVERTAKEN), OVERTAKEN)
    await result.tell(thread, lease, outcome.message, took_s=age(job))
    if outcome.directly is not None:
        await direct.send(thread, lease, outcome.directly)
    return outcome
