"""What a person is told when their command could not even be queued: what is wrong, and what to do about it. Pure."""

from __future__ import annotations

from workers.render import escape
from workers.render.bounds import section
from workers.render.message import Message


def queue_away() -> Message:
    """Redis does not answer."""
    return _said("🔌 The job queue (Redis) does not answer, so nothing was started. Try again in a minute; `doctor` says more.")


def not_in_channel(bot: str) -> Message:
    """The bot cannot write where the answer should go."""
    return _said(f"🚪 netcheck is not in this channel, so it cannot answer here. Type `/invite` <@{bot}> and ask again.")


def slack_away(job: str) -> Message:
    """Slack did not take the job's message yet."""
    return _said(
        f"⏳ Slack did not take the message of job {escape.code(job, 40)} yet. It will be posted here; no need to ask again."
    )


def waits_for_queue(job: str) -> Message:
    """The message is there, but Redis went away before the job was queued."""
    return _said(f"🔌 The job queue (Redis) went away. Job {escape.code(job, 40)} starts when it is back; no need to ask again.")


def slack_refused(code: str) -> Message:
    """Slack will not take the answer at all."""
    return _said(f"⛔ Slack does not take messages of netcheck here ({escape.code(code, 60)}). Nothing was started.")


def interrupted() -> Message:
    """The bot that answered was killed, and nobody knows whether the answer was seen."""
    return _said("🔁 netcheck was stopped in the middle of this command. If you see no answer to it, ask again.")


def fault(trace: str) -> Message:
    """A fault of ours."""
    return _said(f"💥 netcheck failed at this; nothing was started. Its log has the reason under {escape.code(trace, 40)}.")


def _said(text: str) -> Message:
    return Message(text, (section(text),))
