"""A job: one command that one person asked for, as it waits in Redis and as it is shown in its thread. Pure.

`words` are the parameters as `workers.params.words` says them; the worker builds them again and decides again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Standing = Literal["member", "guest", "foreign", "bot", "unknown"]
"""What a person is to the workspace that the bot is installed in, from Slack's users.info: a full member, a (multi- or
single-channel) guest, somebody of another organisation, a bot; unknown where Slack did not say."""


@dataclass(frozen=True)
class Requester:
    """Who asked, by Slack's immutable ids; `groups` are the user groups known at that time. The terminal has no `team`.

    Policy grants nothing to `unknown` ones: whoever knows Slack says what they are.
    """

    user: str
    team: str = ""
    groups: tuple[str, ...] = ()
    standing: Standing = "unknown"


@dataclass(frozen=True)
class Channel:
    """Where it was asked, and where the answer goes: a new message in `id`, or a reply in `thread` (a ts) when that is set.

    `shared` is None where it cannot be known whether other organisations read the channel; policy treats that as shared.
    """

    id: str
    thread: str | None = None
    shared: bool | None = None


@dataclass(frozen=True)
class Job:
    """One job. `delivery` is Slack's id of the delivery that caused it: repeated deliveries make one job.

    `line` is the command as the bot understood it, in the words of the grammar.
    `redacted`: the bot saw that others read the channel, or may, so that no name is to be said there.
    `trace` goes through every log line from Slack's delivery to the helper's answer. Times are RFC 3339, UTC.
    """

    id: str
    command: str
    words: dict[str, str]
    namespace: str
    cluster: str
    requester: Requester
    channel: Channel
    delivery: str
    trace: str
    created: str
    line: str = ""
    redacted: bool = False

    @property
    def text(self) -> str:
        """The command as a person could type it again."""
        return self.line or " ".join([self.command, *(f"{k}={v}" for k, v in self.words.items())])

    @property
    def title(self) -> str:
        """The command as it may be shown in its channel: names are left out where others read."""
        return self.command if self.redacted else self.text
