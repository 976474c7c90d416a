"""`netcheck-bot replay`: the report of a recorded run again, without a cluster."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from bot.cli.check import EXIT, shown
from workers.catalogue import catalogue
from workers.errors import UsageError
from workers.recording import Misfit, Recording, replay


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print the report.")
def command(file: Path, output: str) -> None:
    """Judge a recording anew and print its report. Exit status as of `check`."""
    try:
        report = asyncio.run(replay(Recording.loads(file.read_text()), catalogue()))
    except (Misfit, UnicodeDecodeError) as e:
        raise UsageError(f"{file}: {e}") from e
    click.echo(shown(report, output))
    sys.exit(EXIT[report.verdict])
