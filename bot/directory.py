"""Who people are and who reads a channel, as Slack says; what it does not say is unknown, and policy refuses the unknown."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Generic, TypeVar

import structlog

from workers.job import Requester
from workers.slack.client import Seat, Slack
from workers.slack.errors import SlackError
from workers.slack.pace import Pace

T = TypeVar("T")
log = structlog.get_logger()

_KNOWN_S = 60.0
"""A channel can be shared and a person made a guest at any time; for so long the bot may not have noticed."""
_MANY = 10_000
_PATIENCE_S = 3.0


class Directory:
    """Remembers what Slack said for a minute, and never remembers that it said nothing."""

    def __init__(self, slack: Slack, pace: Pace, team: str, groups: Callable[[], Iterable[str]]) -> None:
        """`groups` gives the ids of those user groups that matter to policy now."""
        self._slack = slack
        self._groups = groups
        self._pace = pace
        self._team = team
        self._seats = _Memory[Seat]()
        self._people = _Memory[Requester]()
        self._members = _Memory[frozenset[str]]()

    async def seat(self, channel: str) -> Seat:
        """The bot's place in a channel."""
        return self._seats.get(channel) or await self._look_up_seat(channel)

    async def person(self, user: str) -> Requester:
        """Somebody, with what they are to the workspace, and in which of the groups that matter."""
        who = self._people.get(user) or await self._look_up_person(user)
        groups = [group for group in self._groups() if user in await self._members_of(group)]
        return replace(who, groups=tuple(groups))

    async def person_now(self, user: str) -> Requester:
        """The same, asked anew: what they are may have changed within the minute."""
        self._people.forget(user)
        return await self.person(user)

    def forget(self, channel: str) -> None:
        """Something about the channel has changed."""
        self._seats.forget(channel)

    async def _look_up_seat(self, channel: str) -> Seat:
        seat = await self._asked(lambda: self._slack.seat(channel, self._team))
        if seat is None:
            return Seat(member=True, shared=None)
        if seat.member and seat.shared is not None:
            self._seats.put(channel, seat)
        return seat

    async def _look_up_person(self, user: str) -> Requester:
        who = await self._asked(lambda: self._slack.person(user, self._team))
        if who is None:
            return Requester(user)
        self._people.put(user, who)
        return who

    async def _members_of(self, group: str) -> frozenset[str]:
        known = self._members.get(group)
        if known is not None:
            return known
        members = await self._asked(lambda: self._slack.group(group))
        if members is None:
            return frozenset()
        self._members.put(group, members)
        return members

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """None where Slack did not say; "" is the place where such questions wait for their turn."""
        try:
            return await self._pace.patiently("", call, _PATIENCE_S)
        except SlackError as e:
            log.warning("slack_did_not_say", reason=str(e))
            return None


class _Memory(Generic[T]):
    """Values with their time."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, T]] = {}

    def get(self, key: str) -> T | None:
        at, value = self._known.get(key, (0.0, None))
        return value if time.monotonic() - at < _KNOWN_S else None

    def put(self, key: str, value: T) -> None:
        if len(self._known) >= _MANY:
            self._known.clear()
        self._known[key] = (time.monotonic(), value)

    def forget(self, key: str) -> None:
        self._known.pop(key, None)
