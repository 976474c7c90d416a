"""People in the lab's workspace: they type commands, click buttons, and read what bot and worker say there."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from deploy.lab.roles import Role
from deploy.lab.slack import SlackStandIn
from deploy.lab.transcript import transcript
from tests.slack_limits import refuse_what_slack_refuses
from workers.render.message import Message

T = TypeVar("T")
Said = dict[str, Any]
UNDERWAY = "⏳"
_SAYING = ("chat.postMessage", "chat.update", "response_url")
_PATIENCE_S, _POLL_S = 60.0, 0.05


@dataclass(frozen=True)
class Office:
    """A workspace with a running bot and worker. What is read is what a person would see, files and buttons named."""

    slack: SlackStandIn
    bot: Role
    worker: Role

    def asks(self, text: str, *, user: str = "", channel: str = "") -> Said:
        """Somebody types a slash command and waits for its answer."""
        before = {m["ts"] for m in self.said(channel)}
        self.slack.command(text, user=user, channel=channel)
        return self.answer(channel, before)

    def asks_aside(self, text: str) -> Said:
        """Somebody types a slash command and waits for the first message that they alone see."""
        self.slack.command(text)
        return eventually(lambda: next((m for m in self.said() if m.get("subtype") == "ephemeral"), None), self.read)

    def answer(self, channel: str = "", before: Sequence[str] | set[str] = ()) -> Said:
        """The first message of the bot that is not one of those, when it is no longer underway."""

        def ended() -> Said | None:
            new = [m for m in self.said(channel) if m["ts"] not in before and not m.get("files")]  # those of an earlier answer
            return new[0] if new and not new[0]["text"].startswith(UNDERWAY) else None

        return eventually(ended, lambda: self.read(channel))

    def sees(self, part: str, channel: str = "") -> Said:
        """The newest message of the bot that says so, as soon as there is one."""
        return eventually(lambda: self._saying(part, channel), lambda: self.read(channel))

    def said(self, channel: str = "") -> list[Said]:
        """Every message of the bot, those that one person sees included, oldest first."""
        return [m for m in self.slack.messages(channel) if m.get("user") == self.slack.workspace.bot]

    def read(self, channel: str = "") -> str:
        """All that the bot says there, as a person reads it."""
        return transcript(self.said(channel))

    def results(self, channel: str = "") -> list[Said]:
        """The messages that are neither underway nor a file's."""
        return [m for m in self.said(channel) if m["text"] and not m["text"].startswith(UNDERWAY)]

    def settle(self) -> None:
        """Every job that was queued has ended, its files included."""
        eventually(lambda: not self._open(), lambda: f"open: {self._open()}\n{self.read()}")

    def _open(self) -> set[str]:
        return jobs_of(self.bot, "job_queued") - jobs_of(self.worker, "job_ended")

    def _saying(self, part: str, channel: str) -> Said | None:
        return next((m for m in reversed(self.said(channel)) if part in read(m)), None)


def read(message: Mapping[str, Any]) -> str:
    """What a person reads of one message."""
    return transcript([message])


def buttons(message: Mapping[str, Any]) -> dict[str, str]:
    """The labels of a message's buttons, with the id that a click sends."""
    rows = [block["elements"] for block in message.get("blocks") or () if block["type"] == "actions"]
    return {element["text"]["text"]: element["action_id"] for row in rows for element in row}


def jobs_of(role: Role, event: str) -> set[str]:
    """The jobs of which a log tells this event."""
    lines = role.log.read_text(errors="replace").splitlines()
    return {found[1] for line in lines if f"event={event} " in line and (found := re.search(r"\bjob=(\w+)", line))}


def eventually(look: Callable[[], T | None], said: Callable[[], str] = str, seconds: float = _PATIENCE_S) -> T:
    """What is seen, as soon as it is something. Fails with what is there instead."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not seen in {seconds:g} s; there is:\n{said()}")
        time.sleep(_POLL_S)
    return seen


def all_is_fit_for_slack(slack: SlackStandIn) -> None:
    """Every message and every edit that was sent: within Slack's limits, and nothing in it calls anybody but by their own id."""
    them = slack.workspace
    people = f"{them.bot}|{them.alice}|{them.bob}|{them.carol}|{them.guest}"
    for call in slack.calls(*_SAYING):
        blocks = call.args.get("blocks") or "[]"
        sent = json.dumps([call.args["text"], json.loads(blocks) if isinstance(blocks, str) else blocks])
        assert "<!" not in sent
        text, parts = json.loads(re.sub(rf"<@(?:{people})>", "somebody", sent))
        refuse_what_slack_refuses(Message(text, tuple(parts)))
