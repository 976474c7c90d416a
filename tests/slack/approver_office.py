"""A bot that is the approver too, with a worker's hands, on Slack's stand-in and a real queue; and what people do there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot import service
from bot.settings import BotSettings
from deploy.lab.slack import SlackStandIn
from node_helper.changes import plan as plans
from tests import approvals
from tests.change_node import make_key
from tests.slack.parts import of_the_bot, placeholder, until, writing
from tests.slack.running_bot import ready, settings_of, until_so
from tests.unit.conftest import RedisPlace
from workers import seal
from workers.changes.mail import Mail
from workers.changes.proposal import CarriedOut, NodeEnd, Proposal
from workers.job import Channel
from workers.jobs import Jobs, State, Status

POLICY = """
version = 1
[[rule]]
name = "members may do everything"
who = ["members"]
may = ["READ", "REVEAL", "PROBE", "CHANGE"]
[[approval]]
name = "two of the platform"
change = "set"
needed = {needed}
expires = "1h"
break_glass = {{ who = ["U0ALICE"] }}
[[approval.stage]]
approvers = ["U0BOB", "U0CAROL", "U0GUEST"]
"""
NODES = ("node-one", "node-two")


@dataclass
class Office:
    """A bot that is the approver too, a worker's hands, and what people do."""

    slack: SlackStandIn
    jobs: Jobs
    mail: Mail
    policy: Path
    settings: BotSettings

    async def does(self, act: Any, *args: Any, **more: Any) -> Any:
        return await asyncio.to_thread(lambda: act(*args, **more))

    async def proposed(self, nodes: tuple[str, ...] = NODES, needed: int = 2, **more: Any) -> Proposal:
        """A worker has put it before the approvers; the card is there."""
        asked = approvals.proposal(name=approvals.fresh(), at=approvals.present(), nodes=nodes)
        job = replace(asked.job, requester=approvals.ALICE, channel=Channel(self.slack.workspace.incidents, None, shared=False))
        job = replace(job, **more)
        async with writing(self.slack) as thread:
            at = await thread.place(job.channel, placeholder(job))
        proposal = replace(asked, job=job, ts=at.ts)
        await self.mail.send(proposal)
        await self.card(proposal, "")
        await until(lambda: f"0 of {needed}" in self.text(proposal) or "refused" in self.text(proposal))
        return proposal

    def message(self, proposal: Proposal) -> dict[str, Any]:
        found: dict[str, Any] = next(m for m in self.slack.messages() if m["ts"] == proposal.ts)
        return found

    def text(self, proposal: Proposal) -> str:
        return json.dumps(self.message(proposal), ensure_ascii=False)

    async def card(self, proposal: Proposal, part: str) -> dict[str, Any]:
        """The card, as soon as it says so."""
        await until(lambda: part in self.text(proposal))
        found: dict[str, Any] = await self.does(self.message, proposal)
        return found

    async def says(self, proposal: Proposal, act: str, user: str, reason: str = "") -> None:
        """Somebody clicks, and submits the modal."""
        before = len(await self.does(self.slack.calls, "views.open"))
        await self.does(self.slack.click, await self.does(self.message, proposal), f"netcheck_act-{act}", user=user)
        await until(lambda: len(self.slack.calls("views.open")) > before)
        assert await self.does(self.slack.submit, {"reason": reason} if reason else None, user=user) == {}

    async def told(self, user: str, part: str) -> dict[str, Any]:
        """What one person alone was told."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            mine = (m for m in of_the_bot(self.slack) if m.get("ephemeral_to") == user)
            found[:] = [m for m in mine if part in m["text"]]
            return bool(found)

        await until(there)
        return found[0]

    async def replied(self, part: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [m for m in of_the_bot(self.slack) if part in m.get("text", "") and "ephemeral_to" not in m]
            return bool(found)

        await until(there)
        return found[0]

    async def carrying(self, count: int = 1) -> list[Status]:
        """The jobs that carry something out, newest first, as soon as there are so many."""
        found: list[Status] = []

        async def there() -> bool:
            recent = await self.jobs.recent(self.slack.workspace.alice, 50)
            found[:] = [s for s in recent if s.job.command == "carry_out" and s.state is State.QUEUED]
            return len(found) >= count

        await until_so(there)
        return found

    async def carried_out(self, job: Status, **ends: str) -> plans.Plan:
        """A worker has done it, node by node; what was signed."""
        grant = await self.mail.grant(job.job.words["approval"])
        assert grant is not None
        plan = plans.read(grant.plan)
        nodes = tuple(NodeEnd(t.node, ends.get(t.node.replace("-", "_"), "done")) for t in plan.targets)  # type: ignore[arg-type]  # as words
        await self.mail.send(CarriedOut(plan.approval, plan.nonce, nodes))
        return plan


@asynccontextmanager
async def office_in(
    slack: SlackStandIn, place: RedisPlace, folder: Path, needed: int = 2, approver: str = "inside"
) -> AsyncIterator[Office]:
    policy, key = folder / "policy.toml", folder / "approver" / "key"
    policy.write_text(POLICY.format(needed=needed))
    key.parent.mkdir(mode=0o700, exist_ok=True)
    if not key.exists():
        await asyncio.to_thread(make_key, key)
    settings = settings_of(slack, place, slack_app_token=slack.workspace.app_token, policy_file=policy)
    settings = settings.model_copy(update={"data_dir": folder, "approver": approver})
    jobs = place.jobs()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(jobs.aclose)
        heard: list[str] = []
        await service.running(settings, heard.append, stack)
        mail = jobs.mail(seal.read_or_make(folder / "voice.key"))
        await until_so(lambda: ready(heard[0]))
        yield Office(slack, jobs, mail, policy, settings)
