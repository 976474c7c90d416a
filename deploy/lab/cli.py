"""``netcheck-bot lab up | status | shell NODE | down``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from deploy.lab import control, machine
from deploy.lab.errors import LabError

_Args = ParamSpec("_Args")
_name = click.option("--name", default="lab", show_default=True, help="Which lab, where several are up.")


def _reporting(command: Callable[_Args, None]) -> Callable[_Args, None]:
    """What the lab cannot do is said in a line, without a traceback."""

    @wraps(command)
    def run(*args: _Args.args, **kwargs: _Args.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except LabError as error:
            raise click.ClickException(str(error)) from error

    return run


@click.group()
def lab() -> None:
    """Run a cluster of real parts on this machine."""


@lab.command()
@_name
@click.option("--runtime", type=click.Choice(["containerd", "docker"]), default="containerd", help="What runs node-one's pods.")
@_reporting
def up(name: str, runtime: str) -> None:
    """Start the lab; it stays until `lab down`. `eval "$(netcheck-bot lab up)"` lets this shell use it."""
    machine.require()
    status = control.ask(name, "status")
    if status is not None:
        click.echo(f"lab {name} is already up", err=True)
    else:
        status = _start(name, runtime)
        click.echo(f"lab {name} is up", err=True)
    for key, value in status["settings"].items():
        click.echo(f"export {key}={value}")


@lab.command()
@_name
@_reporting
def status(name: str) -> None:
    """Show the lab's parts and settings."""
    found = _required(name)
    click.echo(f"lab {name} is up, process {found['owner']}, files in {found['folder']}")
    for title in ("nodes", "pods", "services", "settings"):
        for key, value in found[title].items():
            click.echo(f"{title.removesuffix('s')} {key}: {value}")


@lab.command()
@_name
@click.argument("node")
@_reporting
def shell(name: str, node: str) -> None:
    """Open a root shell on NODE."""
    enter = _required(name)["enter"]
    if node not in enter:
        raise LabError(f"the lab has no node {node}; it has {', '.join(enter)}")
    os.execvp("sh", [*enter[node], "bash", "-i"])  # noqa: S606 - no shell string: argv


@lab.command()
@_name
@_reporting
def down(name: str) -> None:
    """End the lab; nothing of it stays."""
    gone = control.ask(name, "down")
    click.echo(f"lab {name} is not up" if gone is None else f"lab {name} is down")


def _required(name: str) -> control.Answer:
    found = control.ask(name, "status")
    if found is None:
        raise LabError(f"lab {name} is not up; start it with: netcheck-bot lab up")
    return found


def _start(name: str, runtime: str) -> control.Answer:
    """Start the owner and show what it says, until the lab is up. Raises :class:`LabError` where it cannot be."""
    said, pipe = os.pipe()
    owner = [sys.executable, "-m", "deploy.lab.owner", name, str(pipe), runtime]
    null = subprocess.DEVNULL
    subprocess.Popen(owner, stdin=null, stdout=null, stderr=null, pass_fds=[pipe], start_new_session=True)
    os.close(pipe)
    with os.fdopen(said, encoding="utf-8") as progress:
        for line in progress:
            click.echo(line.rstrip("\n"), err=True)
    status = control.ask(name, "status")
    if status is None:
        raise LabError("the lab did not start; the last line above says why")
    return status
