"""Errands of the approver: what its store says is to be done outside, done until it is done. I/O.

The order within one approval is kept, and one that waits for Slack does not keep the others from being run.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from bot.approver import card
from bot.approver.approval import Approval, State
from bot.approver.card import Standing
from bot.approver.granting import Granting, Held
from bot.approver.store import Errand, Store
from bot.approver.witness import Note, NotSealed, Witness
from node_helper import codec
from workers.jobs import Forged, Jobs, NoSuchJob, QueueAway
from workers.render.message import Message
from workers.slack.errors import MessageGone, SlackAway, SlackError, SlackRefused
from workers.slack.thread import Position, Thread

log = structlog.get_logger()

_AGAIN_S = 3.0
_PATIENCE_S = 5.0
_CARD_WAITS_S = 20.0
"""The job that asked for the change edits its own message at its end; a card before that would be written over."""
_LOOK_S = 0.3
_WHISPERS_S = 300.0
_GRANTS = ("do", "undo")


class NotYet(Exception):
    """To be done in `after_s` seconds."""

    def __init__(self, reason: str, after_s: float = _AGAIN_S) -> None:
        super().__init__(reason)
        self.after_s = after_s


@dataclass
class Errands:
    """`standing` says of an approval what its card needs; `held` is what holds up each approval that waits for a signature."""

    store: Store
    jobs: Jobs
    thread: Thread
    granting: Granting
    witness: Witness
    standing: Callable[[Approval], Standing]
    clock: Callable[[], float]
    held: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Everything that is due."""
        due: defaultdict[str, list[Errand]] = defaultdict(list)
        for errand in self.store.errands():
            due[errand.approval].append(errand)
        await asyncio.gather(*(self._of_one(errands) for errands in due.values()))

    async def _of_one(self, errands: Sequence[Errand]) -> None:
        unseen = False
        for errand in errands:
            if errand.due > self.clock() or (unseen and errand.kind in _GRANTS):
                unseen |= errand.kind == "note"
                continue
            done = await self._tried(errand)
            unseen |= errand.kind == "note" and not done

    async def _tried(self, errand: Errand) -> bool:
        """Whether it is over, done or given up."""
        try:
            await self._one(errand)
        except NotYet as e:
            self.store.put_off(errand, self.clock() + e.after_s)
            return False
        except SlackAway as e:
            log.warning("errand_waits", kind=errand.kind, approval=errand.approval, reason=str(e))
            self.store.put_off(errand, self.clock() + max(e.after_s, _AGAIN_S))
            return False
        except SlackRefused as e:
            log.error("errand_refused", kind=errand.kind, approval=errand.approval, code=e.code)  # noqa: TRY400  (the code says all)
        except Exception:  # our own fault: it must not keep the others from being done
            log.exception("errand_failed", kind=errand.kind, approval=errand.approval)
            self.store.put_off(errand, self.clock() + 10 * _AGAIN_S)
            return False
        self.store.run(errand)
        return True

    async def _one(self, errand: Errand) -> None:
        if errand.kind == "note":
            await self._note(errand)
            return
        approval = self.store.get(errand.approval)
        if approval is None:
            return
        if errand.kind in _GRANTS:
            await self._grant(approval, errand)
        elif errand.kind == "card":
            await self._card(approval)
        elif errand.kind == "whisper":
            await self._whisper(approval, json.loads(errand.said))
        else:
            overheard = self.standing(approval).overheard
            message = card.unsaid(approval) if overheard else Message.loads(errand.said)
            at = Position.of(approval.proposal.job.channel, approval.ts)
            where = at if errand.kind == "thread" else Position(at.channel, "", "")
            await self.thread.reply(where, message, _PATIENCE_S)

    async def _note(self, errand: Errand) -> None:
        try:
            await self.witness.note(codec.decode(Note, json.loads(errand.said)))
        except NotSealed as e:
            self._hold(errand.approval, f"the audit does not take it: {e}")
            raise NotYet(str(e)) from e

    async def _grant(self, approval: Approval, errand: Errand) -> None:
        waits = State.GRANTED if errand.kind == "do" else State.UNDOING
        if approval.state is not waits:
            self.held.pop(approval.id, None)
            return
        try:
            await self.granting.grant(approval, "do" if errand.kind == "do" else "undo")
        except Held as e:
            self._hold(approval.id, str(e))
            raise NotYet(str(e)) from e
        if self.held.pop(approval.id, None):
            self.store.add(approval.id, "card")

    def _hold(self, approval: str, reason: str) -> None:
        if self.held.get(approval) != reason:
            log.warning("grant_held", approval=approval, reason=reason)
            self.held[approval] = reason
            self.store.add(approval, "card")

    async def _card(self, approval: Approval) -> None:
        if self.clock() - approval.created < _CARD_WAITS_S and not await self._asked_for(approval):
            raise NotYet("its job is not over", _LOOK_S)
        message, at = card.message(approval, self.standing(approval)), Position.of(approval.proposal.job.channel, approval.ts)
        try:
            await self.thread.edit(at, message, _PATIENCE_S)
        except MessageGone:
            at = await self.thread.place(approval.proposal.job.channel, message, _PATIENCE_S)
            known = self.store.get(approval.id) or approval
            with self.store.transaction():
                self.store.put(replace(known, ts=at.ts), self.clock(), "", "card placed again")

    async def _asked_for(self, approval: Approval) -> bool:
        try:
            return (await self.jobs.status(approval.proposal.job.id)).state.over
        except (NoSuchJob, Forged):
            return True
        except QueueAway as e:
            raise NotYet(str(e)) from e

    async def _whisper(self, approval: Approval, said: Mapping[str, str]) -> None:
        """To one person alone; what comes too late would only confuse."""
        if self.clock() - float(said["at"]) > _WHISPERS_S:
            return
        message, slack = Message.loads(said["message"]), self.thread.slack
        channel, thread = said["channel"] or approval.proposal.job.channel.id, said["thread"] or None
        try:
            await self.thread.pace.once(channel, lambda: slack.whisper(channel, said["user"], message, thread))
        except SlackError as e:
            if isinstance(e, SlackAway):
                raise
            log.warning("person_not_told", reason=str(e))
