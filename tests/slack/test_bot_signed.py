"""Signed HTTP: what is not signed with the secret of now is refused, and the rest is taken once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import urllib.parse

import aiohttp
import pytest

from tests.slack.parts import of_the_bot
from tests.slack.running_bot import POD, Bot


def signed(secret: str, body: str, at: float) -> dict[str, str]:
    stamp = str(int(at))
    code = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    form = "application/x-www-form-urlencoded"
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={code}", "Content-Type": form}


def form(bot: Bot) -> str:
    fields = {
        "command": "/netcheck", "text": POD, "user_id": bot.slack.workspace.alice, "team_id": bot.slack.workspace.team,
        "channel_id": bot.slack.workspace.incidents, "trigger_id": "1.2.3", "response_url": f"{bot.slack.page_url}_hooks/none",
    }  # fmt: skip
    return urllib.parse.urlencode(fields)


@pytest.mark.parametrize(
    ("secret", "age"), [("another-secret", 0), ("lab-signing-secret", 600), ("lab-signing-secret", -600), ("", 0)]
)
async def test_a_forged_or_an_old_request_is_refused(http_bot: Bot, secret: str, age: int) -> None:
    body = form(http_bot)
    async with aiohttp.ClientSession() as http:
        url = f"{http_bot.url}/slack/events"
        answer = await http.post(url, data=body, headers=signed(secret, body, time.time() - age))
        assert answer.status == 401
        assert (await http.post(url, data=body)).status == 401
    assert not await http_bot.jobs.recent(http_bot.slack.workspace.alice)


async def test_a_request_with_the_right_signature_is_taken_once_however_often_it_comes(http_bot: Bot) -> None:
    body = form(http_bot)
    async with aiohttp.ClientSession() as http:
        for number in range(3):
            headers = {**signed("lab-signing-secret", body, time.time()), "X-Slack-Retry-Num": str(number)}
            answer = await http.post(f"{http_bot.url}/slack/events", data=body, headers=headers)
            assert (answer.status, await answer.text()) == (200, "")
    await http_bot.queued()
    await asyncio.sleep(0.2)
    assert len(of_the_bot(http_bot.slack)) == 1


async def test_a_delivery_that_is_not_understood_is_acknowledged_and_nothing_else(http_bot: Bot) -> None:
    event = {"type": "app_mention", "bot_id": "B1", "text": "pod web", "ts": "1.0", "channel": http_bot.slack.workspace.incidents}
    body = json.dumps({"type": "event_callback", "event_id": "Ev1", "team_id": http_bot.slack.workspace.team, "event": event})
    headers = {**signed("lab-signing-secret", body, time.time()), "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as http:
        assert (await http.post(f"{http_bot.url}/slack/events", data=body, headers=headers)).status == 200
    assert not of_the_bot(http_bot.slack)


async def test_without_a_signing_secret_there_is_no_way_in_by_http(bot: Bot) -> None:
    async with aiohttp.ClientSession() as http:
        answer = await http.post(f"{bot.url}/slack/events", data="", headers=signed("", "", time.time()))
    assert answer.status == 404
