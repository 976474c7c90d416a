"""What the bot cannot run without is said at start, by name, and without any secret."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner

from bot import service
from bot.cli import cli
from bot.settings import BotSettings
from workers.errors import UsageError
from workers.settings import load

TOKEN = "xoxb-very-secret"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BOT_TOKEN", "APP_TOKEN", "SIGNING_SECRET"):
        monkeypatch.delenv(f"NETCHECK_SLACK_{name}", raising=False)


def test_without_a_bot_token_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_SLACK_APP_TOKEN", "xapp-1")
    with pytest.raises(UsageError, match="NETCHECK_SLACK_BOT_TOKEN"):
        _ = load(BotSettings).bot_token


def test_without_a_way_in_it_names_both() -> None:
    done = CliRunner().invoke(cli, ["bot"])
    assert done.exit_code == 2
    assert "NETCHECK_SLACK_APP_TOKEN" in done.output
    assert "NETCHECK_SLACK_SIGNING_SECRET" in done.output


@pytest.mark.parametrize("name", ["NETCHECK_SLACK_APP_TOKEN", "NETCHECK_SLACK_SIGNING_SECRET"])
def test_one_way_in_is_enough(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    load(BotSettings).check_ways_in()


def test_a_wrong_listen_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_BOT_LISTEN", "everywhere")
    monkeypatch.setenv("NETCHECK_SLACK_BOT_TOKEN", TOKEN)
    with pytest.raises(UsageError, match="NETCHECK_BOT_LISTEN") as caught:
        load(BotSettings)
    assert TOKEN not in str(caught.value)


def test_no_secret_is_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_SLACK_BOT_TOKEN", TOKEN)
    assert TOKEN not in repr(load(BotSettings))


def test_the_service_refuses_to_start_without_a_way_in() -> None:
    with pytest.raises(UsageError, match="no way to the bot"):
        asyncio.run(service.serve(BotSettings(), print))
