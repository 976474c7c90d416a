"""Who asked, decided and did what lately, from the audit; entries that cannot be trusted are marked."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Annotated, Self

from bot.command import Command, Context
from bot.decided import Asking
from bot.plain._job import JobId
from workers.audit.entry import Entry, Kind
from workers.audit.reading import Found, Seen, Wanted
from workers.check import Access
from workers.errors import UsageError, shown
from workers.model import Table
from workers.params import Arg, Duration
from workers.policy.rules import Decision, decide
from workers.render import facts, notices
from workers.render.bounds import Page, section
from workers.render.message import Message

_SHOWN = 25
_DAY = Duration(86_400)
_USER = re.compile(r"@?([UW][A-Z0-9]{1,30})", re.IGNORECASE)
_COLUMNS = ("", "time (UTC)", "what", "who", "about", "said", "by")
_FIRST = ("line", "reason", "verdict", "state")


@dataclass(frozen=True)
class UserId:
    """A person, by the id that Slack gives them."""

    id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """`U0123ABCD`, or a mention of them."""
        match = _USER.fullmatch(text)
        if not match:
            raise UsageError(f"{shown(text)} is not the id of a person (U0123ABCD), nor a mention of one")
        return cls(match[1].upper())

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Params:
    """What is wanted; all of the last day without."""

    user: Annotated[UserId | None, Arg("whose: an id or a mention")] = None
    since: Annotated[Duration, Arg("how far back: 2h, 30m; a day without")] = _DAY
    job: Annotated[JobId | None, Arg("of which job or approval")] = None


def allowed(asking: Asking) -> Decision:
    """Whether the person may read the audit here: it names people and what they looked at, so never where others read along."""
    decision = decide(asking.rules, asking.who, asking.channel, Access.REVEAL, asking.cluster, ())
    if decision.allowed and asking.channel.shared is not False:
        return Decision(allowed=False, reason="the audit is not shown where people of other organisations may read it")
    return decision


async def answer(params: Params, ctx: Context) -> Message:
    """The newest entries as a table."""
    decision = allowed(ctx.asking)
    if not decision.allowed:
        ctx.records.note(Kind.REFUSAL, "", {"line": "audit", "reason": decision.reason})
        return notices.refused(decision.reason)
    since = round((time.time() - params.since.seconds) * 1000)
    user, job = (params.user.id if params.user else ""), (params.job.id if params.job else "")
    return message(await ctx.records.newest(Wanted(since, user, job, limit=_SHOWN)))


def message(found: Found) -> Message:
    """The table, and below it what is wrong with it."""
    page = Page(reserved_blocks=1, reserved_characters=400)
    for block in facts.tables(page, Table("Audit, newest first", tuple(map(_row, found.seen)), _COLUMNS)):
        page.put(block)
    doubted = sum(bool(seen.doubt) for seen in found.seen)
    notes = [
        f"❔ {doubted} marked ❔ are not signed by a key that is known here: do not believe them." if doubted else "",
        f"🔴 {found.unreadable} records in Redis are no entries: somebody wrote them." if found.unreadable else "",
        "There was more than could be read; ask about less." if found.cut else "",
        "Whether entries are missing, `netcheck-bot audit verify` says.",
    ]
    text = "\n".join(filter(None, notes))
    return Message(f"Audit: {len(found.seen)} entries\n{text}", (*page.blocks, section(text)))


def _row(seen: Seen) -> tuple[str, ...]:
    entry = seen.entry
    mark = "❔" if seen.doubt else ""
    return (mark, entry.at[5:19].replace("T", " "), entry.kind.value, entry.who, entry.subject, words(entry), entry.writer)


def words(entry: Entry) -> str:
    """What an entry says, the telling parts first."""
    names = [name for name in _FIRST if name in entry.said] + [name for name in entry.said if name not in _FIRST]
    return ", ".join(entry.said[name] if name == "line" else f"{name}={entry.said[name]}" for name in names)


COMMAND = Command(
    name="audit",
    summary="Who asked, decided and did what lately",
    params=Params,
    answer=answer,
    examples=("audit", "audit since=2h", "audit user=U0123ABCD", "audit job=01hx3v"),
    may=allowed,
)
