"""`netcheck-bot doctor`: what this installation lacks, and what to do about it."""

from __future__ import annotations

import asyncio
import sys

import click

from workers import log
from workers.render.escape import visible
from workers.settings import Settings, load


@click.command()
def command() -> None:
    """Try every part and say what to mend.

    Configuration, Slack, Redis, the audit, Kubernetes, SSH to each node. Exit status 1 if something is to be mended.
    """
    settings = load(Settings)
    log.configure("error", "doctor")
    sys.exit(asyncio.run(_examine(settings)))


async def _examine(settings: Settings) -> int:
    from workers.doctor import examine

    wrong = 0
    async for seen in examine(settings):
        sign = "✅" if seen.well else "⚠ " if seen.warning else "❌"
        click.echo(f"{sign} {seen.part}: {visible(seen.what)}")
        if seen.fix:
            click.echo(f"   → {visible(seen.fix)}")
        wrong += not seen.well and not seen.warning
    return 1 if wrong else 0
