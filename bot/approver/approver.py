"""The approver's work: letters in, one transaction each, errands out; and what time does to approvals.

Letters come from Redis, which others may write to: each is sealed, is taken again until it was acted on, and acts once.
"""

from __future__ import annotations

import json
from collections import Counter as Counts
from collections.abc import Callable
from dataclasses import replace

import structlog
from prometheus_client import Counter

from bot.approver import asking, card, notes, opening, rules, words
from bot.approver.approval import UNDO, Approval, State
from bot.approver.board import Board, Coded
from bot.approver.card import Standing
from bot.approver.rules import Now
from bot.approver.store import Code, Store
from bot.approver.witness import Note
from node_helper import codec
from workers.changes.letters import CodeWanted, Letter, Voice
from workers.changes.mail import Mail, Taken
from workers.changes.proposal import CarriedOut, Proposal
from workers.check import Access
from workers.job import Channel
from workers.policy import rules as policy
from workers.policy.approval import rule_for

log = structlog.get_logger()

VOICES = Counter("netcheck_approval_voices", "What people said about approvals, and whether it counted", ["act", "counted"])
MOVES = Counter("netcheck_approvals", "Approvals that came to a state", ["state"])
_CODE_S = 600.0
_MOST_CODES = 100
_TRIES = 3
CODE = "code:"
"""Begins the delivery of a voice that used a code of the terminal, which is good for one."""


class Approver:
    """`policies` gives the policy of now, `clock` seconds since 1970; `held` says what holds an approval up."""

    def __init__(self, store: Store, mail: Mail, policies: Callable[[], policy.Rules], clock: Callable[[], float]) -> None:
        self.store, self.mail, self.policies, self.clock = store, mail, policies, clock
        self.held: dict[str, str] = {}
        self.since = clock()
        self.changed = True
        self._failed: Counts[str] = Counts()

    async def listen(self) -> int:
        """Acts on all letters that are there; how many. Raises `QueueAway`."""
        letters = await self.mail.take()
        for taken in letters:
            if self._acted(taken):
                await self.mail.acknowledge(taken.entry)
        return len(letters)

    def _acted(self, taken: Taken) -> bool:
        """Whether it need not come again."""
        try:
            self.hear(taken.letter)
        except Exception:  # our own fault, whatever it was: it must not keep the other letters from being read
            self._failed[taken.entry] += 1
            log.exception("letter_failed", kind=type(taken.letter).__name__, attempt=self._failed[taken.entry])
            return self._failed[taken.entry] >= _TRIES
        return True

    def hear(self, letter: Letter) -> None:
        """One letter."""
        match letter:
            case Proposal():
                self._proposed(letter)
            case Voice():
                self._spoken(letter)
            case CarriedOut():
                self._reported(letter)
            case CodeWanted():
                self._coded(letter)

    def pass_time(self) -> None:
        """What is due by the clock: ends, questions, reminders."""
        now = self.clock()
        for approval in self.store.unsettled():
            after = rules.passed(approval, now)
            if after is not approval:
                self._move(approval, after, "time")
            for call in asking.due(after, now, self.store.made(after.id)):
                with self.store.transaction():
                    self.store.make(after.id, call.key, now)
                    self._add_note(notes.called(after, call))
                    self.store.add(after.id, "thread", words.called(after, call).message.dumps())
                    self.store.add(after.id, "card")
                self.changed = True

    def board(self) -> Board:
        """What it shows."""
        now = self.clock()
        shown = {approval.id: approval for approval in (*self.store.unsettled(), *self.store.newest())}
        codes = tuple(
            Coded(c.wanted.code, c.wanted.approval, c.wanted.act, c.wanted.reason, c.expires, c.who, c.answer, c.counted)
            for c in self.store.codes(now)
        )
        approvals = tuple(card.posted(approval, self.standing(approval)) for approval in shown.values())
        return Board(now, self.store.id, self.since, "; ".join(sorted(set(self.held.values()))), approvals, codes)

    def standing(self, approval: Approval) -> Standing:
        """For its card."""
        now = self._now(approval)
        agreed = tuple(vote.who.user for vote in rules.counting(approval, now))
        overheard = self.policies().redacts(approval.proposal.job.channel)
        return Standing(now.at, rules.needed_now(approval, now), agreed, self.held.get(approval.id, ""), overheard)

    def against(self, approval: Approval) -> str:
        """Why it is not to be signed as policy is now, "" where it is."""
        return rules.against(approval, self._now(approval))

    def channels(self) -> frozenset[str]:
        """Those with cards that are not known to be read by others."""
        shown = (*self.store.unsettled(), *self.store.newest())
        return frozenset(a.proposal.job.channel.id for a in shown if a.proposal.job.channel.shared is False)

    def overheard(self, channel: str) -> None:
        """Others read that channel by now: its approvals remember it for good, and their cards say nothing any more."""
        for approval in {a.id: a for a in (*self.store.unsettled(), *self.store.newest())}.values():
            job = approval.proposal.job
            if job.channel.id == channel and not job.channel.shared:
                known = replace(approval.proposal, job=replace(job, channel=replace(job.channel, shared=True)))
                with self.store.transaction():
                    self.store.put(replace(approval, proposal=known), self.clock(), "", "others read its channel")
                    self.store.add(approval.id, "card")
                self.changed = True

    def _now(self, approval: Approval, channel: Channel | None = None) -> Now:
        """`channel` is the one that somebody speaks in; the card's may be shared by now, and then nothing is agreed to in it."""
        current, job = self.policies(), approval.proposal.job
        here = channel if channel is not None and channel.id == job.channel.id else job.channel
        may = policy.decide(current, approval.requester, here, Access.CHANGE, job.cluster, ())
        return Now(self.clock(), rule_for(current, job.command, job.cluster, approval.nodes), may)

    def _proposed(self, letter: Proposal) -> None:
        if self.store.get(letter.id) is not None:
            self.store.add(letter.id, "card")  # whoever says it again may have written over the card
            return
        opened = opening.opened(letter, self.policies(), self.clock())
        if opened.state is State.REFUSED and opened.decided:
            log.warning("proposal_refused", approval=opened.id, reason=opened.decided.reason)
        self._move(None, rules.passed(opened, self.clock()), opened.requester.user)

    def _spoken(self, voice: Voice) -> None:
        if self.store.answered(voice.delivery) is not None:
            return
        approval = self.store.get(voice.approval)
        if approval is None:
            self._answer(voice, None, "there is no such approval")
            return
        if why := self._misused(voice):
            self._answer(voice, approval, why)
            return
        due = rules.passed(approval, self.clock())
        if due is not approval:
            self._move(approval, due, "time")
        heard = rules.hear(due, voice, self._now(due, voice.channel))
        VOICES.labels(voice.act, str(heard.counted).lower()).inc()
        log.info("voice", approval=voice.approval, act=voice.act, user=voice.who.user, counted=heard.counted)
        if heard.counted:
            self._move(due, heard.approval, voice.who.user, voice, heard.answer)
        else:
            self._answer(voice, due, heard.answer)

    def _misused(self, voice: Voice) -> str:
        """Why the code that it used is none for it, "" where it used none or a good one."""
        if not voice.delivery.startswith(CODE):
            return ""
        code = self.store.code(voice.delivery.removeprefix(CODE))
        if code is None or code.expires < self.clock():
            return "this code is not known, or has expired: make another one at the terminal"
        same = (code.wanted.approval, code.wanted.act) == (voice.approval, voice.act)
        return "" if same else "this code is for something else"

    def _reported(self, letter: CarriedOut) -> None:
        approval = self.store.get(letter.approval.removesuffix(UNDO))
        after = rules.report(approval, letter) if approval else None
        if approval is None or after is None or after is approval:
            log.info("report_changes_nothing", approval=letter.approval, nonce=letter.nonce)
            return
        self._move(approval, after, "worker")

    def _coded(self, letter: CodeWanted) -> None:
        now = self.clock()
        if self.store.code(letter.code) is not None or now - rules.seconds(letter.at) > _CODE_S:
            return
        known = self.store.get(letter.approval) is not None
        full = len(self.store.codes(now)) >= _MOST_CODES
        answer = "too many codes are waiting to be used" if full else "" if known else "there is no such approval"
        self.store.put_code(Code(letter, now + _CODE_S, answer=answer))
        self.changed = True

    def _move(self, before: Approval | None, after: Approval, who: str, voice: Voice | None = None, answer: str = "") -> None:
        """An approval becomes another one, with all that follows from it, on disk when this returns."""
        with self.store.transaction():
            self.store.put(after, self.clock(), who, voice.act if voice else "")
            for note in notes.moved(before, after):
                self._add_note(note)
            if before is None or before.state is not after.state:
                MOVES.labels(after.state.value).inc()
                if after.state in (State.GRANTED, State.UNDOING):
                    self.store.add(after.id, "do" if after.state is State.GRANTED else "undo")
            for notice in words.told(before or replace(after, state=State.WAITING), after):
                self.store.add(after.id, notice.place, notice.message.dumps())
            self.store.add(after.id, "card")
            if voice is not None:
                self._answered(voice, after, answer, counted=True)
        self.changed = True

    def _answer(self, voice: Voice, approval: Approval | None, answer: str) -> None:
        with self.store.transaction():
            if approval is not None:
                self._add_note(notes.refused(approval, voice.act, voice.who.user, answer))
            self._answered(voice, approval, answer, counted=False)
        self.changed = True

    def _answered(self, voice: Voice, approval: Approval | None, answer: str, *, counted: bool) -> None:
        """Inside a transaction."""
        now = self.clock()
        self.store.answer(voice.delivery, answer, now)
        code = self.store.code(voice.delivery.removeprefix(CODE)) if voice.delivery.startswith(CODE) else None
        if code is not None:
            self.store.put_code(replace(code, who=voice.who.user, answer=answer, counted=counted))
        if approval is not None:
            said = {
                "user": voice.who.user, "channel": voice.channel.id, "thread": voice.channel.thread or "", "at": str(now),
                "message": words.counted(answer).dumps(),
            }  # fmt: skip
            self.store.add(approval.id, "whisper", json.dumps(said))

    def _add_note(self, note: Note) -> None:
        self.store.add(note.approval, "note", json.dumps(codec.encode(note)))
