"""`netcheck-bot reject`: say no to a change from a terminal, confirmed in Slack."""

from __future__ import annotations

import sys

import click

from workers.errors import UsageError


@click.command()
@click.argument("approval", metavar="ID")
@click.option("--reason", required=True, help="Why; everybody sees it.")
def command(approval: str, reason: str) -> None:
    """Say no to a change, by a code.

    It counts when you confirm the code in Slack. Exit status 0 if it counted, 1 if not.
    """
    from bot.cli._deciding import decided

    if not reason.strip() or not reason.isprintable():
        raise UsageError("the reason must be one line of text")
    sys.exit(0 if decided("reject", approval, reason.strip()) else 1)
