"""The Slack stand-in misbehaves on demand, keeps a record, and ends with its owner."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.client import WebClient

from deploy.lab.slack import Fault, Kind, SlackStandIn

POST = "chat.postMessage"
OWNER = """
import sys
from pathlib import Path
from deploy.lab.slack import SlackStandIn
slack = SlackStandIn(Path(sys.argv[1]))
print(slack.port, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient(slack.workspace.bot_token, base_url=slack.api_url, retry_handlers=[])


def post(client: WebClient, slack: SlackStandIn, text: str) -> str:
    return str(client.chat_postMessage(channel=slack.workspace.incidents, text=text)["ts"])


def texts(slack: SlackStandIn) -> list[str]:
    return [message["text"] for message in slack.messages()]


def test_messages_and_calls_are_seen(slack: SlackStandIn, client: WebClient) -> None:
    slack.say("hello")
    ts = post(client, slack, "answer")
    assert texts(slack) == ["hello", "answer"]
    (call,) = slack.calls(POST)
    assert (call.status, call.args["text"], call.answer["ts"]) == (200, "answer", ts)


def test_rate_limit_says_when_to_come_back_and_holds_as_often_as_asked(slack: SlackStandIn, client: WebClient) -> None:
    slack.fail(Fault(POST, Kind.RATE_LIMITED, times=2, seconds=7))
    for _ in range(2):
        with pytest.raises(SlackApiError) as caught:
            post(client, slack, "no")
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "7"
    post(client, slack, "yes")
    assert texts(slack) == ["yes"]


def test_server_error_reaches_nobody(slack: SlackStandIn, client: WebClient) -> None:
    slack.fail(Fault(POST, Kind.SERVER_ERROR, status=503))
    with pytest.raises(SlackApiError) as caught:
        post(client, slack, "no")
    assert caught.value.response.status_code == 503
    assert texts(slack) == []


def test_lost_answer_means_that_it_was_done(slack: SlackStandIn, client: WebClient) -> None:
    slack.fail(Fault(POST, Kind.ANSWER_LOST))
    with pytest.raises((OSError, http.client.HTTPException)):
        post(client, slack, "done")
    assert texts(slack) == ["done"]


def test_reset_means_that_it_was_not(slack: SlackStandIn, client: WebClient) -> None:
    slack.fail(Fault(POST, Kind.RESET))
    with pytest.raises((OSError, http.client.HTTPException)):
        post(client, slack, "not done")
    assert texts(slack) == []


def test_the_bot_is_not_in_every_channel(slack: SlackStandIn, client: WebClient) -> None:
    with pytest.raises(SlackApiError, match="not_in_channel"):
        client.chat_postMessage(channel=slack.workspace.outside, text="hello")


async def test_the_page_shows_what_happens(slack: SlackStandIn) -> None:
    async with aiohttp.ClientSession() as http:
        assert "<html" in (await (await http.get(slack.page_url)).text()).lower()
        async with http.ws_connect(f"{slack.page_url}ui") as page, asyncio.timeout(10):
            await asyncio.to_thread(slack.say, "hello from the channel")
            seen = ""
            while "hello from the channel" not in seen:
                seen += (await page.receive()).data


def test_nothing_but_loopback_listens(slack: SlackStandIn) -> None:
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()
        if f":{slack.port:04X} " in line.split()[1] + " "
    ]
    assert {address.split(":")[0] for address in listening} == {"0100007F"}
    assert not [
        line for line in Path("/proc/net/tcp6").read_text().splitlines() if line.split()[1].endswith(f":{slack.port:04X}")
    ]


def test_it_ends_with_its_owner_even_when_that_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdin is not None
    port = int(owner.stdout.readline())
    socket.create_connection(("127.0.0.1", port)).close()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdin.close()
    owner.stdout.close()
    deadline = time.monotonic() + 20
    while _answers(port) or _processes(str(tmp_path)):
        assert time.monotonic() < deadline, "the stand-in outlives its owner"
        time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _processes(word: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = file.read_bytes()
        except OSError:
            continue
        if word.encode() in said:
            found.append(file.parent.name)
    return found
