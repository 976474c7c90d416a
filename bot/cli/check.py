"""`netcheck-bot check`: the checks from a terminal, without Slack and Redis, with the caller's own kubeconfig and SSH key."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from bot.cli._help import of_slack
from bot.cli._waiting import waiting
from bot.commands import Invocation, parse
from bot.decided import no_cluster
from workers import log
from workers.catalogue import all_changes, catalogue
from workers.check import Check
from workers.enough import Enough
from workers.errors import UsageError
from workers.model import Report, Severity
from workers.recording import Recording
from workers.render import as_json, terminal
from workers.settings import Settings, load

PLAN_ONLY = "A plan only: nothing was changed, and nobody was asked. Who may approve it is asked when it is said in Slack."
EXIT = {Severity.HEALTHY: 0, Severity.INFO: 0, Severity.WARNING: 1, Severity.PROBLEM: 1, Severity.UNKNOWN: 3}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print the report.")
@click.option(
    "--record", type=click.Path(dir_okay=False, path_type=Path), help="Keep what the report was made from, for `replay`."
)
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Look at a folder of saved evidence instead of at a cluster: pods.json, NODE.iptables-save.txt and so on, "
    "as deploy/README.md, Saved evidence, lists them.",
)
@click.option("--files", type=click.Path(file_okay=False, path_type=Path), help="Write the raw output into this folder.")
def command(words: tuple[str, ...], output: str, record: Path | None, folder: Path | None, files: Path | None) -> None:
    """Run a check: `check pod hello-world`; `check help` lists them. The grammar is the one of /netcheck.

    Exit status: 0 healthy, 1 something is wrong, 3 could not tell, 2 the command was not understood.
    """
    checks = catalogue()
    if (said := of_slack(" ".join(words).split(), checks)) is not None:
        click.echo(said)
        return
    invocation = parse(" ".join(words), checks)
    settings = load(Settings)
    if invocation.cluster not in (None, settings.cluster):
        raise no_cluster(invocation.cluster, settings.cluster)
    report, recording = asyncio.run(_saved(invocation, settings, folder) if folder else _run(invocation, settings))
    if invocation.entry.name in all_changes():
        report = replace(report, shown=replace(report.shown, notes=(*report.shown.notes, PLAN_ONLY)))
    click.echo(shown(report, output))
    try:
        if record:
            record.write_text(recording.dumps())
        if files:
            _write(report, files)
    except OSError as e:
        raise UsageError(f"the report is above, but {e.filename} cannot be written: {e.strerror}") from e
    if report.shown.files and output == "text" and not files:
        click.echo("With --files DIRECTORY the raw output is written there.", err=True)
    sys.exit(EXIT[report.verdict])


def shown(report: Report, output: str) -> str:
    """The report as text or JSON; in colour only on a terminal."""
    return as_json.dumps(report) if output == "json" else terminal.text(report, colour=sys.stdout.isatty()).rstrip("\n")


async def _run(invocation: Invocation[Check[object, object]], settings: Settings) -> tuple[Report, Recording]:
    from workers.terminal import look

    log.configure("warning", "check")
    console = Console(stderr=True)
    with console.status("reading the cluster") as status:

        def asking(nodes: frozenset[str]) -> None:
            status.update(f"asking {', '.join(sorted(nodes))}")

        with _interruptible() as enough:
            return await look(settings, invocation.entry, invocation.params, invocation.namespace, asking, enough)


@contextmanager
def _interruptible() -> Iterator[Enough]:
    """Ctrl-C ends what is watched, with what was seen until then; whatever else goes on is given up, as is a second one."""
    enough, loop, running = Enough(), asyncio.get_running_loop(), asyncio.current_task()

    def interrupted() -> None:
        if enough.watching and not enough.said:
            enough.say()
        elif running:
            running.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield enough
    except asyncio.CancelledError as e:
        raise click.Abort from e
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _saved(invocation: Invocation[Check[object, object]], settings: Settings, folder: Path) -> tuple[Report, Recording]:
    from workers.offline.look import look

    with waiting(Console(stderr=True), f"reading the files in {escape(str(folder))}"):
        return await look(settings, invocation.entry, invocation.params, invocation.namespace, folder)


def _write(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in report.shown.files:
        (folder / Path(file.name).name).write_text(file.text)
