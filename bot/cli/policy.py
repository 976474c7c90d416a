"""`netcheck-bot policy`: what is wrong with a policy file, and what it means for one person, one channel and one command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click

from bot import plain
from bot.command import refuse_cluster
from bot.commands import Invocation, parse
from bot.decided import Meaning, access_of, at_home, decided
from bot.entry import Entry
from bot.nearest import nearest
from bot.settings import BotSettings
from workers import catalogue, log
from workers.check import Access
from workers.errors import UsageError, shown
from workers.job import Channel, Requester, Standing
from workers.policy import file as policy_file
from workers.policy.approval_file import GROUP, USER
from workers.policy.rules import ANY, Rules
from workers.render.escape import visible
from workers.settings import load

REFUSED = 1
_SHARED = {"yes": True, "no": False, "unknown": None}


@click.group()
def command() -> None:
    """Check a policy file, and explain what it means."""


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(file: Path | None) -> None:
    """Read a policy as bot and workers do: FILE, else the configured one, else the built-in one.

    Exit status: 0 it can be used, 2 it cannot, and the line that is wrong is named. Warnings leave it at 0.
    """
    rules = policy_file.load(file or load(BotSettings).policy_file)
    for warning in warnings(rules, _entries()):
        click.echo(f"⚠  {visible(warning)}", err=True)
    said = (f"rules: {len(rules.rules)}", f"approval rules: {len(rules.approvals)}", f"channels: {len(rules.channels)}")
    click.echo(visible(f"{rules.source}: {', '.join(said)}"))


@command.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("user")
@click.argument("channel")
@click.argument("words", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--standing", type=click.Choice(get_args(Standing)), help="What the person is; Slack is asked without.")
@click.option(
    "--in", "ids", multiple=True, help="With --standing: the id of the person's team (T...), or of a user group (S...)."
)
@click.option("--shared", type=click.Choice(list(_SHARED)), help="With --standing: whether others read CHANNEL; unknown without.")
def explain(
    user: str, channel: str, words: tuple[str, ...], standing: Standing | None, ids: tuple[str, ...], shared: str | None
) -> None:
    """Say whether USER (U...) may say COMMAND in CHANNEL (C...), by which rule, and why. Options come first.

    Exit status: 0 allowed, 1 refused, 2 not understood, of a cluster that is not the one here, or Slack cannot be asked.
    """
    _ids_only(user, channel, ids)
    settings = load(BotSettings)
    rules = policy_file.load(settings.policy_file)
    invocation = parse(" ".join(words), _entries())
    refuse_cluster(invocation)
    if standing is None:
        if ids or shared:
            raise UsageError("--in and --shared go with --standing: without it Slack is asked who that is")
        who, where = asyncio.run(_asked(settings, rules, user, channel))
    else:
        groups = tuple(name for name in ids if name.startswith("S"))
        who = Requester(user, "".join(name for name in ids if name not in groups), groups, standing)
        where = Channel(channel, shared=_SHARED[shared or "unknown"])
    invocation, meaning = at_home(invocation, rules, channel, Meaning(settings.cluster, settings.namespace))
    decision = decided(rules, who, where, invocation, meaning)
    click.echo(visible(f"{'allowed' if decision.allowed else 'refused'}: {decision.reason}"))
    for line in _about(rules, who, where, invocation, meaning):
        click.echo(visible(f"  {line}"))
    sys.exit(0 if decision.allowed else REFUSED)


def warnings(rules: Rules, entries: dict[str, Entry]) -> Iterator[str]:
    """What can be used, but is hardly meant."""
    asking = any(Access.CHANGE in rule.may for rule in rules.rules)
    if asking and not rules.approvals:
        yield "somebody may ask for changes, but without an [[approval]] rule nobody can agree to one"
    if rules.approvals and not asking:
        yield "there are approval rules, but no rule grants CHANGE, so nobody can ask for anything"
    changes = [name for name, entry in entries.items() if access_of(entry) is Access.CHANGE]
    for rule in rules.approvals:
        if changes and rule.change not in (ANY, *changes):
            near = nearest(rule.change, changes)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(changes)}"
            yield f"the approval rule {rule.name!r} is about {rule.change!r}, which is no change; {hint}"


def _ids_only(user: str, channel: str, ids: tuple[str, ...]) -> None:
    """Raises `UsageError` for a name, which stands in no policy, so that nothing would be decided about who is meant."""
    for text, pattern, what in (
        (user, USER, "a user (U… or W…)"),
        (channel, policy_file.CHANNEL, "a channel (C…, D… or G…)"),
        *((text, GROUP, "a team (T…) or a user group (S…)") for text in ids),
    ):
        if not pattern.fullmatch(text):
            raise UsageError(f"{shown(text)} must be the id of {what}, never a name")
    if len(teams := [text for text in ids if not text.startswith("S")]) > 1:
        raise UsageError(f"a person is in one team, and {' and '.join(teams)} are several")


def _entries() -> dict[str, Entry]:
    return {**catalogue.catalogue(), **plain.catalogue()}


def _about(rules: Rules, who: Requester, where: Channel, invocation: Invocation[Any], meaning: Meaning) -> Iterator[str]:
    access = access_of(invocation.entry)
    yield f"policy: {rules.source}"
    yield f"who: {who.user}, {who.standing}" + "".join(f", in {name}" for name in (who.team, *who.groups) if name)
    shared = {
        True: "shared with another organisation or workspace",
        False: "not shared",
        None: "perhaps shared, which is not known",
    }
    yield f"where: {where.id}, {shared[where.shared]}" + (", answers redacted" if rules.redacts(where) else "")
    yield f"what: {invocation.text} ({access.name if access else 'answered by the bot itself'}) in the cluster {meaning.cluster}"


async def _asked(settings: BotSettings, rules: Rules, user: str, channel: str) -> tuple[Requester, Channel]:
    """Who and where, as Slack says. Raises `UsageError` where it cannot be asked."""
    from bot.directory import Directory
    from workers.slack.client import Slack
    from workers.slack.errors import SlackError
    from workers.slack.pace import Pace

    if settings.slack_bot_token is None:
        raise UsageError("Slack cannot be asked without NETCHECK_SLACK_BOT_TOKEN: say --standing, --in and --shared")
    log.configure("error", "policy")
    slack = Slack(settings.bot_token, settings.slack_api_url)
    try:
        team = (await slack.identity()).team
        directory = Directory(slack, Pace(), team, lambda: rules.groups)
        seat = await directory.seat(channel)
        return await directory.person(user), Channel(channel, shared=seat.shared)
    except SlackError as e:
        raise UsageError(f"Slack does not say who that is: {e}. Say --standing, --in and --shared") from e
    finally:
        await slack.close()
