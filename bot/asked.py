"""What a person did in Slack, whichever way they did it, taken out of Slack's payloads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workers.render.buttons import CANCEL


@dataclass(frozen=True)
class Asked:
    """A command as it was said. `thread`: where its answer belongs, None for a new message in the channel.

    `delivery` is the same for every repetition of this one by Slack. `response_url` is "" where only a reply can be seen.
    """

    way: Literal["command", "mention", "button"]
    text: str
    user: str
    channel: str
    thread: str | None
    delivery: str
    response_url: str = ""


def command(body: Mapping[str, Any]) -> Asked:
    """A slash command; Slack has none inside threads (docs.slack.dev, interactivity/implementing-slash-commands)."""
    return Asked(
        way="command",
        text=str(body.get("text", "")),
        user=str(body["user_id"]),
        channel=str(body["channel_id"]),
        thread=None,
        delivery=f"command:{body['trigger_id']}",
        response_url=str(body["response_url"]),
    )


def mention(body: Mapping[str, Any], bot: str) -> Asked:
    """A message that names the bot: answered in its thread, or in one under it (reference/events/app_mention)."""
    event = body["event"]
    return Asked(
        way="mention",
        text=str(event.get("text", "")).replace(f"<@{bot}>", " ", 1),
        user=str(event["user"]),
        channel=str(event["channel"]),
        thread=str(event.get("thread_ts") or event["ts"]),
        delivery=f"event:{body['event_id']}",
    )


def button(body: Mapping[str, Any]) -> Asked:
    """A click under a message of ours: its value is a command, answered in the thread of that message.

    A message that one person sees has no thread; what was found by it is shown in the channel.
    """
    action, container = body["actions"][0], body["container"]
    ts, value = str(container["message_ts"]), str(action.get("value") or "")
    own_thread = None if container.get("is_ephemeral") else ts
    thread = container.get("thread_ts") or (body.get("message") or {}).get("thread_ts") or own_thread
    user, channel = str(body["user"]["id"]), str(container["channel_id"])
    return Asked(
        way="button",
        text=f"cancel {value}" if action["action_id"] == CANCEL else value,
        user=user,
        channel=channel,
        thread=None if thread is None else str(thread),
        delivery=f"button:{channel}:{ts}:{action['action_id']}:{action['action_ts']}:{user}",
        response_url=str(body["response_url"]),
    )
