"""A grant is carried out: once, whole or not at all as far as a kernel lets that be, with a record of whatever became of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Iterator, Optional

from node_helper.changes import held, journal, overriding, settling, steps, systemd, verifying
from node_helper.changes.arming import Armed, NotArmed, boottime
from node_helper.changes.grant import Applied, Done, Grant
from node_helper.changes.hands import Busy, Hands
from node_helper.changes.held import Held, Unreadable
from node_helper.changes.journal import Damaged, Entry
from node_helper.changes.plan import Setting
from node_helper.changes.times import rfc3339
from node_helper.changes.verifying import Refused, Verified

LOCK_SECONDS = 5.0


def apply(grant: Grant, hands: Hands) -> Applied:
    """Verify and carry out, or say what came of it before. Raises nothing for whatever a grant holds."""
    try:
        asked = verifying.verified(grant, hands.paths)
        if journal.last(hands.entries(), asked.plan.nonce) is None:  # what was done is told at any time
            verifying.check_time(asked.plan, hands.now())
        with hands.locked(LOCK_SECONDS):
            hands.sweep()
            return _alone(asked, hands)
    except Refused as e:
        return Applied(e.refusal, e.reason)
    except (Unreadable, Damaged) as e:
        return Applied("unsupported", str(e))
    except (Busy, OSError) as e:
        return Applied("failed", f"nothing was written: {e}")


def _alone(asked: Verified, hands: Hands) -> Applied:
    before = journal.last(hands.entries(), asked.plan.nonce)
    if before is not None:
        if before.digest != asked.digest:
            raise Refused("used", f"its nonce was used at {before.done.at} for another plan (approval {before.done.approval})")
        return _again(before, hands)
    wrong = _unsupported(asked, hands)
    if wrong:
        raise Refused("unsupported", wrong)
    now, target = hands.held(), asked.target
    if target.before.persisted is not None and now.problem:
        raise Refused("unsupported", f"our file cannot be written: {now.problem}")
    if not now.is_(target.before):
        raise Refused("changed", f"the node holds {now.words()}; approved was a change from {_words(target.before)}")
    return _carry_out(asked, hands)


def _again(entry: Entry, hands: Hands) -> Applied:
    done = entry.done
    if done.state == "intent":
        now = hands.held()
        done = settling.settled(done, now, rfc3339(hands.now()))
        hands.record(replace(entry, done=done))
        if now.is_(done.before):
            hands.disarm(done.nonce)
    if done.state == "failed":
        return Applied("failed", done.reason, done, again=True)
    return Applied(done=done, again=True)


def _unsupported(asked: Verified, hands: Hands) -> str:
    before, after = asked.target.before, asked.target.after
    wrong = held.unwritable(hands.paths)
    if wrong:
        return wrong
    whole = held.bucket_multiple()
    if after.buckets != before.buckets and after.buckets % whole:
        return f"this kernel keeps buckets in multiples of {whole}, and {after.buckets} is none"
    if asked.plan.hold_s and after.persisted is not None and not systemd.runs(hands.paths):
        return "without systemd, nothing would put our file back after a restart: ask for it without a time, or not to last"
    return ""


def _carry_out(asked: Verified, hands: Hands) -> Applied:
    plan, target, now = asked.plan, asked.target, hands.now()
    undo_at = rfc3339(now + plan.hold_s) if plan.hold_s else ""
    done = Done(
        plan.nonce, plan.approval, "intent", target.before, target.after, rfc3339(now), undo_at=undo_at, undoes=plan.undoes
    )
    hands.record(Entry(asked.digest, done))
    back: list[steps.Step] = []
    try:
        if plan.hold_s:
            hands.arm(_armed(asked, hands, now))
        for step, reverse in steps.between(hands, target.before, target.after):
            back.insert(0, reverse)
            step()
        done = replace(done, state="done", at=rfc3339(hands.now()), found=_read_back(hands, target.after))
        hands.record(Entry(asked.digest, done))
    except (OSError, NotArmed, Unreadable) as e:
        return _failed(asked, hands, done, str(e), back)
    return Applied(done=done, warnings=(*_disarmed(hands, plan.undoes), *overriding.warnings(hands.paths, target.after)))


def _read_back(hands: Hands, wanted: Setting) -> Setting:
    found = hands.held()
    if not found.is_(wanted):
        raise OSError(f"read back, the node holds {found.words()}")
    return found.setting(wanted)


def _disarmed(hands: Hands, undoes: str) -> Iterator[str]:
    try:
        if undoes:
            hands.disarm(undoes)
    except OSError as e:
        yield f"what would undo the earlier change by itself could not be disarmed, and will find that it has nothing to do: {e}"


def _failed(asked: Verified, hands: Hands, done: Done, why: str, back: list[steps.Step]) -> Applied:
    """Put back what was written, and say so; or say that it could not be."""
    found: Optional[Setting] = None
    try:
        for step in back:
            step()
        now = hands.held()
        found = now.setting(done.after)
        restored = "the node holds its old setting" if now.is_(done.before) else f"put back, it holds {now.words()}"
        if now.is_(done.before) and asked.plan.hold_s:
            hands.disarm(done.nonce)
    except (OSError, Unreadable) as e:
        restored = f"what was written could not be put back: {e}"
    done = replace(done, state="failed", at=rfc3339(hands.now()), found=found, reason=f"{why}; {restored}")
    with suppress(OSError):  # the journal keeps the intent, and the next one who asks is told what the node holds
        hands.record(Entry(asked.digest, done))
    return Applied("failed", done.reason, done)


def _armed(asked: Verified, hands: Hands, now: float) -> Armed:
    plan, target = asked.plan, asked.target
    return Armed(
        nonce=plan.nonce,
        approval=plan.approval,
        digest=asked.digest,
        before=target.before,
        after=target.after,
        at=now + plan.hold_s,
        boot_at=boottime() + plan.hold_s,
        by="systemd" if systemd.runs(hands.paths) else "process",
        paths=hands.paths,
    )


def _words(setting: Setting) -> str:
    return Held(setting.value, setting.buckets, setting.persisted or "").words()
