"""What can be asked here by this person, and how; derived from the catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Self

from bot.command import Command, Context
from bot.commands import named
from bot.entry import Entry
from bot.usage import form, usage
from workers.errors import UsageError, shown
from workers.params import Arg, arguments
from workers.render import listing
from workers.render.escape import code, mrkdwn
from workers.render.message import Message

_LINE = 300
_VERB = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}")


@dataclass(frozen=True)
class Verb:
    """The name of a command."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Letters, `-` and `_`."""
        if not _VERB.fullmatch(text):
            raise UsageError(f"{shown(text)} is not the name of a command")
        return cls(text)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Params:
    """One command, or all that the person may use."""

    command: Annotated[Verb | None, Arg("the command to explain", bare=True)] = None


async def answer(params: Params, ctx: Context) -> Message:
    """The list, or one command in full. Raises `UsageError` for one that does not exist."""
    if params.command:
        return _one(named(params.command.name, ctx.entries), ctx)
    allowed = [entry for entry in ctx.entries.values() if ctx.may(entry).allowed]
    lines = [f"{code(usage(entry), _LINE)}\n{mrkdwn(entry.summary, _LINE)}" for entry in allowed]
    hidden = len(ctx.entries) - len(allowed)
    if hidden:
        lines.append(f"_{hidden} more that you may not use here; `whoami` says why._")
    return listing.message("What you can ask here", [*lines, _EVERYWHERE])


_EVERYWHERE = (
    "Everywhere: `in NAMESPACE`, `cluster=NAME`, names by their beginning, `app=web`, `deploy/web`, an IP. "
    "A name alone asks about its pod. `help COMMAND` says more."
)


def _one(entry: Entry, ctx: Context) -> Message:
    lines = [f"{mrkdwn(entry.summary, _LINE)}", f"*Usage:* {code(usage(entry), _LINE)}"]
    lines += [f"{code(form(a), _LINE)} {mrkdwn(a.arg.help, _LINE)}" for a in arguments(entry.params)]
    lines += [f"*For example:* {'  '.join(code(example, _LINE) for example in entry.examples)}"]
    lines += [f"*Also:* {'  '.join(code(alias, _LINE) for alias in entry.aliases)}"] if entry.aliases else []
    decision = ctx.may(entry)
    lines += [
        f"{'✅ you may use it here' if decision.allowed else '⛔ you may not use it here'}: {mrkdwn(decision.reason, _LINE)}"
    ]
    return listing.message(entry.name, lines)


COMMAND = Command(
    name="help",
    summary="What you can ask here, or one command in full",
    params=Params,
    answer=answer,
    examples=("help", "help dns"),
    aliases=("commands",),
)
