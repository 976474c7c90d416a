"""The Slack app asks for exactly what the code uses: scopes, events, the command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.slack.methods import NEEDS, SCOPES

ROOT = Path(__file__).parents[2]
METHOD = re.compile(r'"((?:apps|auth|chat|conversations|files|reactions|team|usergroups|users|views)\.[A-Za-z.]+)"')
APP_TOKENS = {"apps.connections.open"}
FILES = {"users.lock"}


@pytest.fixture(scope="module")
def manifest() -> Any:
    return yaml.safe_load((ROOT / "deploy" / "slack-manifest.yaml").read_text("utf-8"))


def test_the_scopes_are_those_of_the_methods_that_are_called(manifest: Any) -> None:
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES
    assert list(manifest["oauth_config"]["scopes"]) == ["bot"]


def test_every_method_that_the_code_names_has_its_scopes_written_down() -> None:
    named = {
        method
        for room in ("bot", "workers")
        for file in (ROOT / room).rglob("*.py")
        for method in METHOD.findall(file.read_text("utf-8"))
    }
    assert named - APP_TOKENS - FILES == set(NEEDS)


def test_every_event_that_is_subscribed_to_is_listened_for(manifest: Any) -> None:
    listened = (ROOT / "bot" / "app.py").read_text("utf-8")
    for event in manifest["settings"]["event_subscriptions"]["bot_events"]:
        assert f'"{event}"' in listened


def test_the_command_and_buttons_are_there(manifest: Any) -> None:
    assert [command["command"] for command in manifest["features"]["slash_commands"]] == ["/netcheck"]
    assert manifest["settings"]["interactivity"]["is_enabled"] is True
    assert manifest["settings"]["socket_mode_enabled"] is True
