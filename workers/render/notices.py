"""The short messages that are no report: what was wrong with a command, what policy says, what became of a job."""

from __future__ import annotations

import re

from workers.errors import Unresolved, UsageError
from workers.render import buttons, escape, verdict
from workers.render.bounds import section
from workers.render.message import Message

_LINE, _CHOICE, _CHOICES = 500, 120, 5
_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,30}")
_USER = re.compile(r"[UW][A-Z0-9]{2,30}")


def usage(error: UsageError) -> Message:
    """One line on what is wrong, the usage, and the nearest matches."""
    lines = [f"❌ {escape.mrkdwn(error.problem, _LINE)}"]
    if error.usage:
        lines.append(f"Usage: {escape.code(f'/netcheck {error.usage}', _LINE)}")
    if error.nearest:
        lines.append(f"Did you mean {' or '.join(escape.code(near, _CHOICE) for near in error.nearest[:_CHOICES])}?")
    return _message(lines)


def unresolved(error: Unresolved, command: str) -> Message:
    """What could not be found, and the candidates as buttons. `command` is the one to run with a candidate in place of `{}`."""
    there = [buttons.run(name, command.replace("{}", name), number) for number, name in enumerate(error.candidates[:_CHOICES])]
    lines = [f"❔ {escape.mrkdwn(error.problem, _LINE)}"]
    if error.candidates:
        lines.append(f"Did you mean {' or '.join(escape.code(name, _CHOICE) for name in error.candidates[:_CHOICES])}?")
    rest = len(error.candidates) - _CHOICES
    if rest > 0:
        lines.append(f"and {rest} more")
    words = _message(lines)
    return Message(words.text, (*words.blocks, *buttons.row(*there)))


def refused(reason: str) -> Message:
    """What policy does not allow, and why."""
    return _message([f"⛔ {escape.mrkdwn(reason, _LINE)}"])


def cancelling(job: str, command: str) -> Message:
    """A job whose end was asked for; its own message will say when it has ended."""
    return _message([f"🚫 cancelling job {escape.code(job, _LINE)} · {escape.code(command, _LINE)}"])


def cancelled(job: str, command: str, by: str) -> Message:
    """A job that ended because somebody wanted it to. `by` is a Slack user id or a name."""
    return _message([f"🚫 cancelled by {person(by)}, job {escape.code(job, _LINE)} · {escape.code(command, _LINE)}"])


def failed(job: str, command: str, reason: str, again: str = "") -> Message:
    """A job that has no result and will get none: the reason, and the id under which the log has it.

    `again` is the command of the Again button when it is not the one that is shown.
    """
    lines = [f"💥 no result, job {escape.code(job, _LINE)} · {escape.code(command, _LINE)}", escape.mrkdwn(reason, _LINE)]
    words = _message(lines)
    return Message(words.text, (*words.blocks, *buttons.row(buttons.run("Again", again or command))))


def files_removed(removed: int, left: int) -> Message:
    """Others came to read a channel. `left` are files that Slack did not remove."""
    what = (
        f"{removed} {'files' if removed != 1 else 'file'} that netcheck had posted here {'are' if removed != 1 else 'is'} removed"
    )
    lines = [f"🔒 Others can read this channel now: {what}. The policy says what can still be asked here."]
    lines += [f"Slack did not remove {left} more: see to them by hand."] if left else []
    return _message(lines)


def details(job: str, channel: str) -> Message:
    """What stands in a direct message until the answer does. `channel` is the id of the one in which it was asked for."""
    where = f" in <#{channel}>" if _CHANNEL.fullmatch(channel) else ""
    return _message([f"🔎 what you asked for{where}, whole, job {escape.code(job, _LINE)}"])


def finished(user: str, seconds: float, text: str) -> Message:
    """Names who asked: edits do not notify. `text` is the fallback text of the result."""
    return _message([f"{person(user)} after {verdict.took(seconds)}: {text}"])


def person(user: str) -> str:
    """A mention for a real user id only; any other text stays text."""
    return f"<@{user}>" if _USER.fullmatch(user) else escape.mrkdwn(user, _LINE)


def _message(lines: list[str]) -> Message:
    text = "\n".join(lines)
    return Message(text, (section(text),))
