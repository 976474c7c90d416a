"""`netcheck-bot worker`: takes jobs from the queue, asks the nodes, posts the results."""

from __future__ import annotations

import asyncio

import click

from workers import log
from workers.settings import Settings, load


@click.command()
def command() -> None:
    """Run a worker. Settings come from NETCHECK_... variables and the file that NETCHECK_CONFIG names."""
    from workers.work.worker import serve

    settings = load(Settings)
    log.configure(settings.log_level, "worker")
    asyncio.run(serve(settings, lambda url: click.echo(f"worker: health and metrics at {url}")))
