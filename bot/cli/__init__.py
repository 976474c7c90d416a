"""The terminal command. Each subcommand is one file here, found by itself; what it needs is imported when it is called."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any

import click

from bot.cli._width import fitted
from bot.nearest import nearest
from workers.errors import BadKeyFile, UsageError, shown

USAGE_ERROR = 2
_USAGE = "netcheck-bot COMMAND; netcheck-bot --help lists them"


class Group(click.Group):
    """Finds its subcommands in this folder: a module `check` has a click command named `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every subcommand, by name."""
        del ctx
        return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand. Raises `UsageError` with the nearest ones; while a shell completes words there is None."""
        if cmd_name not in (known := self.list_commands(ctx)):
            if ctx.resilient_parsing:
                return None
            raise UsageError(f"there is no command {shown(cmd_name)}", nearest=nearest(cmd_name, known), usage=_USAGE)
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """What a person got wrong is one line and exit status 2, never a traceback."""
        from bot import settings  # noqa: F401  (every process reads the bot's settings in the common file as what they are)

        try:
            return super().invoke(ctx)
        except UsageError as e:
            click.echo(f"netcheck-bot: {e.problem}", err=True)
            if e.usage:
                click.echo(fitted(f"usage: {e.usage}"), err=True)
            if e.nearest:
                click.echo(f"did you mean: {', '.join(e.nearest)}", err=True)
            sys.exit(USAGE_ERROR)
        except BadKeyFile as e:
            click.echo(f"netcheck-bot: {e}", err=True)
            sys.exit(USAGE_ERROR)


@click.command(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="netcheck-bot")
def cli() -> None:
    """Say why a pod cannot reach a service, with the evidence."""
