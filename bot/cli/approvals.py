"""`netcheck-bot approvals`: what waits for somebody's decision, and the newest of what was decided."""

from __future__ import annotations

import click


@click.command()
@click.option("--all", "everything", is_flag=True, help="What was decided as well.")
def command(everything: bool) -> None:  # noqa: FBT001  (click's flag)
    """List approvals with their ids. `approve ID` and `reject ID --reason ...` decide about one."""
    from bot.cli._deciding import asked, lines

    board = asked(lambda approvals: approvals.board())
    shown = [posted for posted in board.approvals if everything or posted.open]
    for posted in shown:
        click.echo("\n".join(lines(posted)))
    if not shown:
        click.echo("nothing waits for a decision")
    if board.trouble:
        click.echo(f"agreed and held up: {board.trouble}", err=True)
