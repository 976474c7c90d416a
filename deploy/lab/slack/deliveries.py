"""Signed HTTP from the stand-in to the bot, byte for byte, since the signature is over the bytes."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import ClientSession, web

from deploy.lab.slack.book import Book
from deploy.lab.slack.faults import Kind

_NOT_PASSED = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "content-encoding",
    "date",
    "server",
}


class Deliveries:
    """`url` is where the bot takes them, "" for nowhere."""

    def __init__(self, to_bot: ClientSession) -> None:
        self.book = Book()
        self.url = ""
        self._to_bot = to_bot

    async def handle(self, request: web.Request) -> web.Response:
        """One delivery."""
        body = await request.read()
        fault = self.book.fault("delivery", {})
        if not self.url:
            return web.Response(status=503, text="nobody takes deliveries")
        answer = await self._deliver(request, body, {})
        if fault is not None and fault.kind is Kind.REPEATED:
            await self._deliver(request, body, {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"})
        return answer

    async def _deliver(self, request: web.Request, body: bytes, more: Mapping[str, str]) -> web.Response:
        async with self._to_bot.post(self.url, data=body, headers={**passed(request.headers), **more}) as answer:
            self.book.note("delivery", {}, answer.status, {}, None)
            return web.Response(status=answer.status, body=await answer.read(), headers=passed(answer.headers))


def passed(headers: Mapping[str, str]) -> dict[str, str]:
    """Those headers that belong to the message, not to one connection."""
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED}
