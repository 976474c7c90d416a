"""Slack's deliveries, by Socket Mode and by signed HTTP: kept and acknowledged at once, then served."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from aiohttp import web
from prometheus_client import Histogram
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot import asked
from bot.acts import ACTION, CONFIRM, MODAL, REASON, REASONED
from bot.delivered import Delivered
from bot.desk import Desk
from bot.pressed import button as pressed_button
from bot.pressed import modal as entered_modal
from bot.reception import Reception
from workers.render.buttons import CANCEL, RUN
from workers.slack.client import Identity

T = TypeVar("T")
log = structlog.get_logger()

ACKED = Histogram(
    "netcheck_ack_seconds",
    "From a delivery to its acknowledgement",
    ["way"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.5, 3),
)
EVENTS_PATH = "/slack/events"
_ACTIONS = re.compile(rf"^({re.escape(RUN)}(-\d+)?|{re.escape(CANCEL)})$")
_ACTS = re.compile(rf"^({re.escape(ACTION)}-[a-z-]+|{re.escape(CONFIRM)})$")
_PING_S = 5.0
_SILENT = logging.getLogger("netcheck.slack_libraries")
_SILENT.setLevel(logging.CRITICAL + 1)  # their messages hold bodies of deliveries and URLs with tickets


class Front:
    """The app that Slack talks to."""

    def __init__(self, reception: Reception, desk: Desk, who: Identity, token: str, signing_secret: str) -> None:
        self._reception, self._desk = reception, desk
        self._bot = who.user
        known = AuthorizeResult(enterprise_id=None, team_id=who.team, bot_user_id=who.user, bot_token=token)

        async def authorize() -> AuthorizeResult:
            return known

        self.bolt = AsyncApp(
            logger=_SILENT, signing_secret=signing_secret, authorize=authorize, process_before_response=True, name="netcheck"
        )
        self._listen()

    def _listen(self) -> None:
        self.bolt.command("/netcheck")(self._listener(asked.command))
        self.bolt.event("app_mention")(self._listener(lambda body: asked.mention(body, self._bot)))
        self.bolt.action(_ACTIONS)(self._listener(asked.button))
        self.bolt.action(_ACTS)(self._listener(pressed_button))
        self.bolt.view(MODAL)(self._entered)
        for event in ("channel_shared", "channel_unshared"):
            self.bolt.event(event)(self._channel_changed)
        self.bolt.event("message")(_not_for_us)

    def _listener(self, read: Callable[[dict[str, Any]], Delivered]) -> Callable[..., Awaitable[None]]:
        async def listener(ack: AsyncAck, body: dict[str, Any]) -> None:
            delivered = _read(read, body)
            if delivered is not None:
                await self._reception.receive(delivered)
            await ack()

        return listener

    async def _entered(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A modal: what is missing in it is said in it."""
        entered = _read(entered_modal, body)
        if entered is not None and entered.about.act in REASONED and not entered.reason:
            await ack(response_action="errors", errors={REASON: "Say why; everybody sees it."})
            return
        if entered is not None:
            await self._reception.receive(entered)
        await ack()

    async def _channel_changed(self, body: dict[str, Any]) -> None:
        channel = str(body.get("event", {}).get("channel", ""))
        self._desk.directory.forget(channel)
        self._reception.begin(self._desk.looked_at(channel))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A signed request of Slack's; one with another signature, or an old one, is refused by bolt with 401."""
        with ACKED.labels("http").time():
            return await to_aiohttp_response(await self.bolt.async_dispatch(await to_bolt_request(request)))

    async def receive(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """An envelope of Socket Mode."""
        with ACKED.labels("socket").time():
            answer = await run_async_bolt_app(self.bolt, request)
            await send_async_response(client, request, answer, time.time())


def _read(read: Callable[[dict[str, Any]], T], body: dict[str, Any]) -> T | None:
    try:
        return read(body)
    except (KeyError, IndexError, TypeError, ValueError) as e:
        log.error("delivery_not_understood", missing=str(e), type=str(body.get("type", "command")))  # noqa: TRY400
        return None


async def _not_for_us() -> None:
    """What people say to each other. It is not subscribed to; where it comes anyway, an answer keeps Slack from repeating it."""


class Socket:
    """One Socket Mode connection, kept up: it comes again by itself, whatever ends it."""

    def __init__(self, front: Front, app_token: str, api_url: str) -> None:
        web_client = AsyncWebClient(app_token, api_url, logger=_SILENT)
        self._client = SocketModeClient(app_token, logger=_SILENT, web_client=web_client, ping_interval=_PING_S)
        self._client.socket_mode_request_listeners.append(front.receive)

    async def connected(self) -> bool:
        """Whether Slack can deliver now."""
        return bool(await self._client.is_connected())

    async def connect(self) -> None:
        """Returns when it is connected, however long that takes."""
        await self._client.connect()  # type: ignore[no-untyped-call]  # slack_sdk's

    async def watch(self) -> None:
        """Logs every change, until it is cancelled."""
        was: bool | None = None
        while True:
            if (now := await self.connected()) is not was:
                was = now
                log.info("socket_mode", connected=now)
            await asyncio.sleep(1)

    async def close(self) -> None:
        """No delivery comes any more; Slack gives them to other connections."""
        await self._client.close()  # type: ignore[no-untyped-call]  # slack_sdk's
