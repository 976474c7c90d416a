"""`netcheck-bot approver`: keeps approvals and signs changes, in a process of its own."""

from __future__ import annotations

import asyncio

import click

from bot.settings import BotSettings
from workers import log
from workers.settings import load


@click.command()
def command() -> None:
    """Run the approver. Set NETCHECK_APPROVER=own-process for the bots beside it."""
    from bot.approver.process import serve

    settings = load(BotSettings)
    log.configure(settings.log_level, "approver")
    asyncio.run(serve(settings, lambda url: click.echo(f"approver: health and metrics at {url}")))
