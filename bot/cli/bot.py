"""`netcheck-bot bot`: takes commands from Slack and queues jobs."""

from __future__ import annotations

import asyncio

import click

from bot.settings import BotSettings
from workers import log
from workers.settings import load


@click.command()
def command() -> None:
    """Run the bot. Settings come from NETCHECK_... variables and the file that NETCHECK_CONFIG names."""
    from bot.service import serve

    settings = load(BotSettings)
    log.configure(settings.log_level, "bot")
    asyncio.run(serve(settings, lambda url: click.echo(f"bot: health and metrics at {url}")))
