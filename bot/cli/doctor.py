"""`netcheck-bot doctor`: what this installation lacks, and what to do about it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from workers import log
from workers.errors import UsageError
from workers.render.escape import visible
from workers.settings import Settings, WrongSettings, load

if TYPE_CHECKING:
    from workers.doctor import Seen


_CORRECT = "Correct it; deploy/README.md, Settings, has the table."


@click.command()
def command() -> None:
    """Try every part and say what to mend.

    Configuration, Slack, Redis, the audit, Kubernetes, SSH to each node, the data directory, the approver. Nothing is made: what
    the first start makes is said. It starts the Redis that is there, where it does not run, and ends it again. Exit status 1 if
    something is to be mended.
    """
    log.configure("error", "doctor")
    sys.exit(asyncio.run(_examine()))


async def _examine() -> int:
    from workers.doctor import Seen, examine

    wrong, unset = 0, frozenset[str]()
    try:
        settings = load(Settings)
    except WrongSettings as e:
        wrong, unset = wrong + _said(Seen("configuration", e.problem, _CORRECT)), e.names
        settings = load(Settings, unset)
    async for seen in examine(settings, unset):
        wrong += _said(seen)
    async for seen in _of_bot():
        wrong += _said(seen)
    return 1 if wrong else 0


async def _of_bot() -> AsyncIterator[Seen]:
    from bot import first_start
    from bot.approver import seen
    from bot.settings import BotSettings
    from workers.doctor import Seen

    try:
        settings = load(BotSettings)
    except UsageError as e:
        yield Seen("approver", e.problem, _CORRECT)
        return
    yield first_start.examine(settings)
    yield await seen.examine(settings)


def _said(seen: Seen) -> bool:
    """Whether it is to be mended."""
    sign = "✅" if seen.well else "⚠ " if seen.warning else "❌"
    click.echo(f"{sign} {seen.part}: {visible(seen.what)}")
    if seen.fix:
        click.echo(f"   → {visible(seen.fix)}")
    return not seen.well and not seen.warning
