"""`netcheck-bot doctor`: what this installation lacks, and what to do about it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from workers import log
from workers.render.escape import visible
from workers.settings import Settings, load

if TYPE_CHECKING:
    from workers.doctor import Seen


@click.command()
def command() -> None:
    """Try every part and say what to mend.

    Configuration, Slack, Redis, the audit, the approver, Kubernetes, SSH to each node. Exit status 1 if one is to be mended.
    """
    settings = load(Settings)
    log.configure("error", "doctor")
    sys.exit(asyncio.run(_examine(settings)))


async def _examine(settings: Settings) -> int:
    from bot.approver.seen import examine as approver
    from bot.settings import BotSettings
    from workers.doctor import examine

    wrong = 0
    async for seen in examine(settings):
        wrong += _said(seen)
    wrong += _said(await approver(load(BotSettings)))
    return 1 if wrong else 0


def _said(seen: Seen) -> bool:
    """Whether it is to be mended."""
    sign = "✅" if seen.well else "⚠ " if seen.warning else "❌"
    click.echo(f"{sign} {seen.part}: {visible(seen.what)}")
    if seen.fix:
        click.echo(f"   → {visible(seen.fix)}")
    return not seen.well and not seen.warning
