"""What people do about approvals in Slack: a click opens a modal, the modal's answer goes to the approver as the person's word.

The bot says who it was, as Slack says it at that time; whether it counts, the approver alone decides.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from bot import acts, trouble
from bot.acts import REASONED, About
from bot.approvals import CODE, Approvals, now
from bot.directory import Directory
from bot.pressed import Entered, Pressed
from workers.changes.letters import Act, Voice
from workers.errors import UsageError
from workers.job import Channel
from workers.jobs import QueueAway
from workers.render import notices
from workers.render.bounds import section
from workers.render.message import Message
from workers.slack.errors import SlackError
from workers.slack.thread import Thread

log = structlog.get_logger()

DONE = Counter("netcheck_approval_clicks", "What people did about approvals in Slack", ["act", "outcome"])


@dataclass(frozen=True)
class Voting:
    """Its methods raise nothing: the person is told."""

    approvals: Approvals
    thread: Thread
    directory: Directory

    async def clicked(self, pressed: Pressed) -> None:
        """The modal is open, or the code is confirmed, or the person knows why not."""
        where = About(pressed.value, pressed.act or "approve", pressed.channel, pressed.thread or "")
        await self._guarded(
            pressed.user, where, self._confirmed(pressed) if pressed.act is None else self._asked(pressed, pressed.act)
        )

    async def entered(self, entered: Entered) -> None:
        """The person's word is on its way."""
        await self._guarded(entered.user, entered.about, self._said(entered))

    async def _asked(self, pressed: Pressed, act: Act) -> str:
        overheard = (await self.directory.seat(pressed.channel)).shared is not False
        if overheard and (await self.directory.person(pressed.user)).standing != "member":
            raise UsageError("only members of this workspace have a say in changes")
        posted = await self.approvals.posted(pressed.value)
        if act not in posted.acts:
            raise UsageError(f"it is too late for that: it is {posted.state}")
        about = About(posted.id, act, pressed.channel, pressed.thread or "")
        try:
            await self.thread.slack.open_modal(pressed.trigger, acts.modal(about, posted))
        except SlackError as e:
            log.warning("modal_not_opened", reason=str(e))  # for a repeated click, whose trigger is used up, too
            return "not opened"
        return "opened"

    async def _confirmed(self, pressed: Pressed) -> str:
        coded, posted = await self.approvals.coded(pressed.value)
        about = About(posted.id, coded.act, pressed.channel, pressed.thread or "")
        return await self._said(Entered(about, pressed.user, coded.reason, f"{CODE}{coded.code}"))

    async def _said(self, entered: Entered) -> str:
        about, trace = entered.about, f"t-{secrets.token_hex(6)}"
        if about.act in REASONED and not entered.reason:
            raise UsageError("say why; everybody sees it")
        who = await self.directory.person_now(entered.user)
        seat = await self.directory.seat(about.channel)
        channel = Channel(about.channel, about.thread or None, seat.shared)
        await self.approvals.say(Voice(about.approval, about.act, who, channel, entered.reason, entered.delivery, trace, now()))
        log.info("voice_sent", trace=trace, act=about.act, approval=about.approval, user=who.user)
        await self._tell(entered.user, about, underway(about.act))
        return "sent"

    async def _guarded(self, user: str, about: About, doing: Awaitable[str]) -> None:
        trace = f"t-{secrets.token_hex(6)}"
        try:
            outcome = await doing
        except UsageError as e:
            outcome = "refused"
            await self._tell(user, about, notices.usage(e))
        except QueueAway as e:
            outcome = "queue away"
            log.warning("queue_away", reason=str(e))
            await self._tell(user, about, trouble.queue_away())
        except Exception:  # our own fault, whatever it was: said honestly, logged whole
            outcome = "fault"
            log.exception("act_failed", trace=trace)
            await self._tell(user, about, trouble.fault(trace))
        DONE.labels(about.act, outcome).inc()

    async def _tell(self, user: str, about: About, message: Message) -> None:
        slack = self.thread.slack
        try:
            await self.thread.pace.once(about.channel, lambda: slack.whisper(about.channel, user, message, about.thread or None))
        except SlackError as e:
            log.warning("person_not_told", reason=str(e))


def underway(act: Act) -> Message:
    """Said at once; the approver's own answer follows."""
    what = {"approve": "Your approval is being counted", "reject": "Your rejection is on its way"}
    text = f"🗳 {what.get(act, f'{acts.LABELS[act]}: on its way')}; the approver answers in a moment."
    return Message(text, (section(text),))
