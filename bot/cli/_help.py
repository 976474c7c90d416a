"""What a terminal answers to Slack's own commands: help in lines of text, and of the others where they are."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping

from bot.cli._width import fitted
from bot.commands import named
from bot.entry import Entry
from bot.usage import form, usage
from workers.errors import UsageError
from workers.params import arguments


def of_slack(words: list[str], checks: Mapping[str, Entry]) -> str | None:
    """The answer to `help [COMMAND]`; None where a check is meant. Raises `UsageError` for another command of Slack's."""
    verb = words[0].lower() if words else ""
    if verb in checks:
        return None
    from bot import plain

    if verb not in {module.name for module in pkgutil.iter_modules(plain.__path__)}:
        return None
    if verb != "help":
        raise UsageError(f"{verb} is for Slack; `netcheck-bot --help` shows what a terminal has")
    return "\n".join(map(fitted, _one(named(words[1], checks)) if len(words) > 1 else _all(checks)))


def _all(checks: Mapping[str, Entry]) -> Iterator[str]:
    for entry in checks.values():
        yield from (usage(entry), f"    {entry.summary}")


def _one(entry: Entry) -> Iterator[str]:
    yield from (entry.summary, f"usage: {usage(entry)}")
    yield from (f"  {form(a)}: {a.arg.help}" for a in arguments(entry.params))
    yield from (f"example: {example}" for example in entry.examples)
