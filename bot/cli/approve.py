"""`netcheck-bot approve`: agree to a change from a terminal, confirmed in Slack."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("approval", metavar="ID")
def command(approval: str) -> None:
    """Say yes to a change, by a code.

    It counts when you confirm the code in Slack. Exit status 0 if it counted, 1 if not.
    """
    from bot.cli._deciding import decided

    sys.exit(0 if decided("approve", approval) else 1)
