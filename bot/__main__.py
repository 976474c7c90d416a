"""`netcheck-bot`: the bot, the worker, the lab, and the checks from a terminal."""

from __future__ import annotations

from bot.cli import cli


def main() -> None:
    """The console script."""
    cli()


if __name__ == "__main__":
    main()
