"""`netcheck-bot check help`: what can be asked, and where Slack's other commands are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import click
import pytest
from click.testing import CliRunner

from bot.cli import cli
from workers.catalogue import catalogue


def test_help_names_every_check() -> None:
    said = CliRunner().invoke(cli, ["check", "help"])
    assert said.exit_code == 0
    assert {line.split()[0] for line in said.stdout.splitlines() if not line.startswith(" ")} == set(catalogue())


@pytest.mark.parametrize("verb", ["conntrack", "CONNTRACK"])
def test_help_explains_one(verb: str) -> None:
    said = CliRunner().invoke(cli, ["check", "help", verb])
    assert "usage: conntrack NODE|POD [dst=IP]" in said.stdout
    assert "example: conntrack node-one for 30s" in said.stdout


def test_another_command_of_slack_is_refused_as_one() -> None:
    said = CliRunner().invoke(cli, ["check", "whoami"])
    assert (said.exit_code, said.stderr) == (
        2,
        "netcheck-bot: whoami is for Slack; `netcheck-bot --help` shows what a terminal has\n",
    )


def test_a_check_at_a_terminal_waits_for_no_library_of_redis_or_slack() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORTED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


_IMPORTED = """
import sys
import bot.cli.check
from bot.cli._help import of_slack
from workers.catalogue import catalogue
of_slack(["pod"], catalogue())
print(*{"redis", "slack_bolt", "slack_sdk", "prometheus_client"} & set(sys.modules))
"""


def test_a_mistyped_subcommand_is_followed_by_the_nearest() -> None:
    said = CliRunner().invoke(cli, ["chekc", "pods"])
    assert (said.exit_code, said.stderr.splitlines()[::2]) == (
        2,
        ["netcheck-bot: there is no command 'chekc'", "did you mean: check"],
    )
    assert "did you mean" not in CliRunner().invoke(cli, ["xyzzy"]).stderr


def test_a_shell_that_completes_after_a_mistyped_subcommand_gets_nothing() -> None:
    said = CliRunner().invoke(cli, [], env={"_CLI_COMPLETE": "bash_complete", "COMP_WORDS": "cli chekc xyz", "COMP_CWORD": "2"})
    assert (said.exit_code, said.output.strip()) == (0, "")


@pytest.mark.parametrize("words", [["help"], *(["help", name] for name in catalogue())], ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal_and_loses_no_word(words: list[str], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        return CliRunner().invoke(cli, ["check", *words]).stdout

    assert max(map(len, said(columns).splitlines())) <= columns
    assert said(columns).split() == said(1000).split()


def _subcommands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        yield from _subcommands(found, *path, name) if isinstance(found, click.Group) else [(*path, name)]


@pytest.mark.parametrize("words", list(_subcommands(cast("click.Group", cli))), ids=" ".join)
def test_the_help_of_every_subcommand_fits_the_terminal(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, CliRunner().invoke(cli, [*words, "--help"]).stdout.splitlines())) <= 80
