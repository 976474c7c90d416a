"""What bot, workers and approver tell each other about changes. Pure; how it travels is `workers.changes.mail`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workers.changes.proposal import CarriedOut, Proposal
from workers.job import Channel, Requester

Act = Literal["approve", "reject", "withdraw", "undo", "break-glass", "review"]


@dataclass(frozen=True)
class Voice:
    """What a person did about an approval, as Slack proved it: the bot alone can say this to the approver.

    `delivery` is Slack's id of the click or command, so that a repetition counts once. `at` is RFC 3339, UTC.
    """

    approval: str
    act: Act
    who: Requester
    channel: Channel
    reason: str
    delivery: str
    trace: str
    at: str


@dataclass(frozen=True)
class CodeWanted:
    """A code that somebody at a terminal made, for them to confirm in Slack: until then it says nothing and decides nothing.

    `at` is RFC 3339, UTC.
    """

    code: str
    approval: str
    act: Act
    reason: str
    at: str


Letter = Proposal | CarriedOut | Voice | CodeWanted
