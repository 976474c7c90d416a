"""A proposal becomes an approval: under which rule it is decided, or why nobody is asked. Pure."""

from __future__ import annotations

from dataclasses import replace

from bot.approver import rules
from bot.approver.approval import Approval, Said, State
from node_helper.changes import plan as plans
from node_helper.codec import Malformed
from workers.changes.proposal import Proposal
from workers.check import Access
from workers.job import Requester
from workers.policy import rules as policy
from workers.policy.approval import ApprovalRule, Refusal, Stage, may_request, rule_for


def opened(letter: Proposal, current: policy.Rules, now: float) -> Approval:
    """It waits, or is refused with the reason. Its age counts from when it was asked for, however long the letter took."""
    job = letter.job
    created = min(now, rules.seconds(job.created))
    rule = rule_for(current, job.command, job.cluster, (t.node for t in letter.draft.targets))
    nobody = ApprovalRule("none", job.command, (Stage(()),))
    known = nobody if isinstance(rule, Refusal) else rule
    approval = Approval(letter, known, State.WAITING, created, created + known.expires_s, letter.ts)
    why = _against(letter, current, rule)
    return replace(approval, state=State.REFUSED, decided=Said(Requester(""), now, why)) if why else approval


def _against(letter: Proposal, current: policy.Rules, rule: ApprovalRule | Refusal) -> str:
    job = letter.job
    may = policy.decide(current, job.requester, job.channel, Access.CHANGE, job.cluster, ())
    if not may.allowed:
        return may.reason
    if isinstance(rule, Refusal):
        return rule.reason
    enough = may_request(rule, job.requester.user)
    return _unplannable(letter) if enough.allowed else enough.reason


def _unplannable(letter: Proposal) -> str:
    """Why no plan can be made of it, "" where one can."""
    draft = letter.draft
    try:
        plans.Plan(plans.VERSION, letter.job.cluster, draft.key, letter.id, "0" * 32, 1, 2, draft.hold_s, "", draft.targets)
    except Malformed as e:
        return f"the plan cannot be signed: {e}"
    return ""
