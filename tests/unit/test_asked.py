"""What a person did, taken out of the payloads that Slack documents."""

from __future__ import annotations

from typing import Any

import pytest

from bot import asked

COMMAND = {
    "command": "/netcheck", "text": "pod web", "user_id": "U1", "channel_id": "C1", "trigger_id": "13.37.ab", "response_url": "u",
}  # fmt: skip
EVENT = {"type": "app_mention", "user": "U1", "text": "<@U0BOT> pod web", "ts": "5.0", "channel": "C1"}
CLICK: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": "U1"},
    "container": {"type": "message", "message_ts": "7.0", "channel_id": "C1", "is_ephemeral": False},
    "message": {"ts": "7.0"},
    "response_url": "u",
    "actions": [{"action_id": "netcheck_run", "value": "pod web", "action_ts": "9.0"}],
}


def mention(**event: str) -> asked.Asked:
    return asked.mention({"event_id": "Ev1", "event": {**EVENT, **event}}, "U0BOT")


def click(container: dict[str, Any] | None = None, action: dict[str, Any] | None = None, **more: Any) -> asked.Asked:
    actions = [{**CLICK["actions"][0], **(action or {})}]
    return asked.button({**CLICK, "container": {**CLICK["container"], **(container or {})}, "actions": actions, **more})


def test_a_command_is_answered_in_the_channel() -> None:
    assert asked.command(COMMAND) == asked.Asked("command", "pod web", "U1", "C1", None, "command:13.37.ab", "u")


@pytest.mark.parametrize(("event", "thread"), [({}, "5.0"), ({"thread_ts": "3.0"}, "3.0")])
def test_a_mention_is_answered_in_its_thread_or_under_it(event: dict[str, str], thread: str) -> None:
    found = mention(**event)
    assert (found.thread, found.text.strip(), found.delivery) == (thread, "pod web", "event:Ev1")


def test_only_the_bots_own_name_is_taken_away_and_only_once() -> None:
    assert mention(text="<@U0BOT> <@U0BOT> pod <@U2>").text.split() == ["<@U0BOT>", "pod", "<@U2>"]


def test_words_before_the_mention_stay_and_are_not_ignored() -> None:
    assert mention(text="hey <@U0BOT> pod web").text.split() == ["hey", "pod", "web"]


def test_a_click_is_answered_in_the_thread_of_its_message() -> None:
    assert click().thread == "7.0"
    assert click(message={"ts": "7.0", "thread_ts": "3.0"}).thread == "3.0"
    assert click({"thread_ts": "2.0"}).thread == "2.0"


def test_a_click_under_what_one_person_sees_is_answered_in_the_channel() -> None:
    assert click({"is_ephemeral": True}).thread is None
    assert click({"is_ephemeral": True, "thread_ts": "2.0"}).thread == "2.0"


def test_the_cancel_button_says_cancel() -> None:
    assert click(action={"action_id": "netcheck_cancel", "value": "a1b2"}).text == "cancel a1b2"


def test_each_click_is_a_delivery_of_its_own_and_the_same_one_is_the_same() -> None:
    assert click() == click()
    deliveries = {
        found.delivery
        for found in (
            click(),
            click({"message_ts": "8.0"}),
            click(action={"action_ts": "9.1"}),
            click(action={"action_id": "netcheck_run-1"}),
            click(user={"id": "U2"}),
        )
    }
    assert len(deliveries) == 5


@pytest.mark.parametrize("field", ["user_id", "channel_id", "trigger_id", "response_url"])
def test_a_payload_without_what_it_must_have_is_an_error(field: str) -> None:
    with pytest.raises(KeyError):
        asked.command({name: value for name, value in COMMAND.items() if name != field})
