"""A plan on its way to the approver: said in the job's message first, then that message is the approver's, for good. I/O.

The order keeps a worker that takes the job over from writing over what the approver wrote: once it is noted that the message
was handed over, no worker begins to edit it. One whose last edit was under way then sends the letter again: it is one proposal,
since both have the id of the job, and the approver draws its card once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workers.changes.change import Change
from workers.changes.mail import Mail
from workers.changes.proposal import Draft, Proposal
from workers.check import Check
from workers.job import Job
from workers.model import Evidence, Finding, Report, Severity
from workers.policy import rules as policy
from workers.policy.approval import Refusal, may_request, rule_for
from workers.queue.lease import Lease
from workers.work.carrying import Carrying
from workers.work.outcome import Outcome

_HANDED = "handed to the approver"
WAITING = "⏸ Waiting for approval: nothing is changed before."


@dataclass(frozen=True)
class Changing:
    """What a worker needs beyond looking, to have nodes changed."""

    changes: Mapping[str, Change[Any, Any]]
    mail: Mail
    carrying: Carrying

    def drafting(self, command: str, hear: Callable[[Draft | None], None]) -> Check[Any, Any] | None:
        """The check of a change, which says its draft; None for a command that changes nothing."""
        change = self.changes.get(command)
        return None if change is None else change.drafting(hear)

    async def report(self, outcome: Outcome) -> None:
        """Tell the approver what became of its grant; it knows a report that it had already. Raises `QueueAway`."""
        if outcome.carried is not None:
            await self.mail.send(outcome.carried)

    async def propose(self, lease: Lease, outcome: Outcome) -> None:
        """Give the job's message to the approver, with what it shows. Raises `LostLease`, `QueueAway`."""
        ts = await lease.position()
        if outcome.draft is not None and ts is not None:
            try:
                await lease.store_file(_HANDED, ts)
            finally:  # also where another worker has the job by now: this one's last edit may have gone over the card
                await self.mail.send(Proposal(lease.job, ts, outcome.draft))

    async def remind(self, lease: Lease, outcome: Outcome) -> None:
        """Have the approver draw its card again, which this worker may have written over. Raises `QueueAway`."""
        ts = await lease.position()
        if outcome.draft is not None and ts is not None:
            await self.mail.send(Proposal(lease.job, ts, outcome.draft))


async def handed_over(lease: Lease, outcome: Outcome) -> bool:
    """Whether the job's message is the approver's already. Raises `QueueAway`."""
    return outcome.draft is not None and _HANDED in await lease.files()


def proposed(report: Report, draft: Draft | None, rules: policy.Rules, job: Job) -> tuple[Report, Draft | None]:
    """The plan as it is said; without a draft where nobody could approve it. Pure."""
    if draft is None:
        return report, None
    why = _nobody(rules, draft, job)
    if why:
        findings = (_unapprovable(why, report), *(f for f in report.findings if f.id != "change-planned"))
        return replace(report, findings=findings), None
    return replace(report, shown=replace(report.shown, notes=(WAITING, *report.shown.notes))), draft


def _nobody(rules: policy.Rules, draft: Draft, job: Job) -> str:
    rule = rule_for(rules, job.command, job.cluster, (t.node for t in draft.targets))
    if isinstance(rule, Refusal):
        return rule.reason
    decision = may_request(rule, job.requester.user)
    return "" if decision.allowed else decision.reason


def _unapprovable(why: str, report: Report) -> Finding:
    return Finding(
        id="change-nobody-approves",
        severity=Severity.PROBLEM,
        claim=f"Nobody can approve this: {why}",
        evidence=(Evidence("the policy's [[approval]] rules", why),),
        disprove="A rule that fits, seen by `netcheck-bot policy explain`.",
        fix="Have the policy name who approves this, or ask for less.",
        subject=report.command,
    )
