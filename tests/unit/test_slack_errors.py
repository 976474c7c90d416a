"""Every way in which a call to Slack can go wrong becomes one of our errors, named for what its caller does next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from workers.slack.client import Slack, Upload
from workers.slack.errors import (
    BlocksRefused,
    MessageGone,
    NotInChannel,
    SlackAway,
    SlackError,
    SlackRefused,
    UploadsRefused,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "xoxb-secret"


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[Slack]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        slack = Slack(TOKEN, str(server.make_url("/api")))
        try:
            yield slack
        finally:
            await slack.close()


def always(**answer: object) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(answer)

    return handler


def raw(status: int, text: str, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return handler


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("not_in_channel", NotInChannel),
        ("channel_not_found", NotInChannel),
        ("message_not_found", MessageGone),
        ("cant_update_message", MessageGone),
        ("invalid_blocks", BlocksRefused),
        ("msg_blocks_too_long", BlocksRefused),
        ("token_revoked", SlackRefused),
        ("missing_scope", SlackRefused),
        ("never_heard_of", SlackRefused),
        ("internal_error", SlackAway),
        ("ratelimited", SlackAway),
        ("service_unavailable", SlackAway),
    ],
)
async def test_words_of_slack(code: str, kind: type[SlackError]) -> None:
    async with answering(always(ok=False, error=code)) as slack:
        with pytest.raises(kind) as caught:
            await slack.update("C1", "1.0", "text", ())
    assert type(caught.value) is kind
    assert code in str(caught.value)


async def test_a_missing_scope_for_files_means_no_files() -> None:
    async with answering(always(ok=False, error="missing_scope")) as slack:
        with pytest.raises(UploadsRefused):
            await slack.begin_upload("x.txt", 1)


@pytest.mark.parametrize(
    ("status", "text", "maybe_done"),
    [
        (500, "Internal Server Error", True),
        (502, "<html>", True),
        (503, "{}", True),
        (429, "", False),
        (200, "<html>", True),
        (200, "{}", True),
    ],
)
async def test_other_answers_mean_that_it_is_away(status: int, text: str, maybe_done: bool) -> None:  # noqa: FBT001  (a row of a table)
    async with answering(raw(status, text)) as slack:
        with pytest.raises(SlackAway) as caught:
            await slack.update("C1", "1.0", "text", ())
    assert caught.value.maybe_done is maybe_done


@pytest.mark.parametrize(("said", "seconds"), [("30", 30.0), ("0", 1.0), ("soon", 0.0), ("-5", 0.0)])
async def test_the_time_that_slack_names_is_taken_as_it_is_meant(said: str, seconds: float) -> None:
    async with answering(raw(429, "{}", Retry_After=said)) as slack:
        with pytest.raises(SlackAway) as caught:
            await slack.update("C1", "1.0", "text", ())
    assert caught.value.after_s == seconds


async def test_a_connection_that_ends_without_an_answer_may_have_done_it() -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with answering(hang_up) as slack:
        with pytest.raises(SlackAway) as caught:
            await slack.post("C1", "text", (), None)
    assert caught.value.maybe_done


async def test_nobody_listening_is_away_too() -> None:
    slack = Slack(TOKEN, "http://127.0.0.1:9/api/")
    try:
        with pytest.raises(SlackAway):
            await slack.identity()
    finally:
        await slack.close()


@pytest.mark.parametrize(("status", "kind"), [(404, SlackRefused), (413, SlackRefused), (500, SlackAway), (429, SlackAway)])
async def test_uploads_and_answers_aside_by_their_status(status: int, kind: type[SlackError]) -> None:
    from workers.render.message import Message

    async with answering(raw(status, "no")) as slack:
        base = slack._api_url
        with pytest.raises(kind):
            await slack.send_bytes(Upload("F1", f"{base}upload"), b"x")
        with pytest.raises(kind):
            await slack.respond(f"{base}hook", Message("x"))


async def test_no_error_carries_the_token_or_the_text() -> None:
    async with answering(raw(500, "no")) as slack:
        with pytest.raises(SlackAway) as caught:
            await slack.post("C1", "secret words", (), None)
    assert TOKEN not in str(caught.value)
    assert "secret words" not in str(caught.value)


async def test_a_method_whose_scopes_nobody_wrote_down_is_not_called() -> None:
    async with answering(always(ok=True)) as slack:
        with pytest.raises(ValueError, match="slack_methods"):
            await slack._call("admin.users.list", {})


async def test_many_calls_share_one_session() -> None:
    async with answering(always(ok=True, ts="1.0")) as slack:
        await asyncio.gather(*(slack.post("C1", "text", (), None) for _ in range(20)))
        session = slack._session
        await slack.post("C1", "text", (), None)
        assert slack._session is session
