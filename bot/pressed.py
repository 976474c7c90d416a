"""Buttons of approvals and what people entered in their modals, taken out of Slack's payloads. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from bot.acts import ACTION, CONFIRM, REASON, About
from workers.changes.letters import Act


@dataclass(frozen=True)
class Pressed:
    """A click: `act` is None for the confirmation of a code, whose letters are the `value`; else that is the approval's id.

    `trigger` opens a modal within 3 seconds. `thread` is None where the message has none.
    """

    act: Act | None
    value: str
    user: str
    channel: str
    thread: str | None
    trigger: str
    delivery: str
    response_url: str


@dataclass(frozen=True)
class Entered:
    """A modal that was submitted. `delivery` is the same for every repetition of this one by Slack."""

    about: About
    user: str
    reason: str
    delivery: str


def button(body: Mapping[str, Any]) -> Pressed:
    """A click under a card, or under what a code means."""
    action, container = body["actions"][0], body["container"]
    name, ts = str(action["action_id"]), str(container["message_ts"])
    thread = container.get("thread_ts") or (body.get("message") or {}).get("thread_ts") or ts
    user, channel = str(body["user"]["id"]), str(container["channel_id"])
    return Pressed(
        None if name == CONFIRM else _act(name.removeprefix(f"{ACTION}-")),
        str(action["value"]),
        user,
        channel,
        None if container.get("is_ephemeral") else str(thread),
        str(body["trigger_id"]),
        f"button:{channel}:{ts}:{name}:{action['action_ts']}:{user}",
        str(body["response_url"]),
    )


def modal(body: Mapping[str, Any]) -> Entered:
    """What was entered; `private_metadata` is as the bot wrote it."""
    view, user = body["view"], str(body["user"]["id"])
    approval, act, channel, thread = json.loads(view["private_metadata"])
    said = (view.get("state") or {}).get("values", {}).get(REASON, {}).get(REASON, {}).get("value")
    return Entered(
        About(str(approval), _act(act), str(channel), str(thread)), user, str(said or "").strip(), f"view:{view['id']}:{user}"
    )


def _act(name: str) -> Act:
    known: tuple[Act, ...] = get_args(Act)
    return known[known.index(name)]
