"""Passing calls on to the stand-in, each as it came unless a fault says otherwise, and envelopes back."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import ClientSession, ClientWebSocketResponse, WSMessage, WSMsgType, web

from deploy.lab.slack.completing import completed
from deploy.lab.slack.deliveries import Deliveries, passed
from deploy.lab.slack.faults import Fault, Kind

_MODAL_S = 10.0
_ABRUPTLY = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time to linger


class Proxy:
    """Everything that comes to the machine's port: Web API, uploads, sockets, the page, and ``/_lab``, which is ours."""

    def __init__(self, inside: ClientSession, port: int, deliveries: Deliveries) -> None:
        self._inside = inside
        self._base = f"127.0.0.1:{port}"
        self._deliveries = deliveries
        self._book = deliveries.book
        self._sockets: set[web.WebSocketResponse] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        if request.path.startswith("/_lab/"):
            return await self._told(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._bridge(request)
        body = await request.read()
        method, args = _method(request.path), _args(request, body)
        fault = self._book.fault(method, args) if method else None
        status, answer, response = await self._answered(request, body, fault)
        if method:
            self._book.note(method, args, status, answer, fault)
        return response

    async def _answered(
        self, request: web.Request, body: bytes, fault: Fault | None
    ) -> tuple[int, Mapping[str, Any], web.StreamResponse]:
        kind = fault.kind if fault else None
        if fault is not None and kind is Kind.RATE_LIMITED:
            headers = {"Retry-After": str(round(fault.seconds))}
            return 429, {}, web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        if fault is not None and kind is Kind.SERVER_ERROR:
            return fault.status, {}, web.Response(status=fault.status, text="Internal Server Error")
        if fault is not None and kind is Kind.REFUSED:
            refusal = {"ok": False, "error": fault.error}
            return 200, refusal, web.json_response(refusal)
        if kind is Kind.RESET:
            _hang_up(request)
            return 0, {}, web.Response()
        if fault is not None and kind is Kind.DELAYED:
            await asyncio.sleep(fault.seconds)
        status, answer, response = await self._passed_on(request, body)
        if kind is Kind.ANSWER_LOST:
            _hang_up(request)
        return status, answer, response

    async def _passed_on(self, request: web.Request, body: bytes) -> tuple[int, Mapping[str, Any], web.Response]:
        url = f"http://{self._base}{request.raw_path}"
        async with self._inside.request(request.method, url, data=body, headers=passed(request.headers)) as answer:
            said = await answer.read()
            if not request.path.startswith("/api/"):
                return answer.status, {}, web.Response(status=answer.status, body=said, headers=passed(answer.headers))
            whole = completed(_method(request.path), _json(said))
            return answer.status, whole, web.json_response(whole, status=answer.status)

    async def _bridge(self, request: web.Request) -> web.WebSocketResponse:
        near = web.WebSocketResponse(max_msg_size=0)
        await near.prepare(request)
        async with self._inside.ws_connect(f"ws://{self._base}{request.raw_path}", max_msg_size=0) as far:
            slack = request.path.startswith("/socket/")
            if slack:
                self._sockets.add(near)
            ways = [asyncio.ensure_future(self._down(far, near, slack)), asyncio.ensure_future(_up(near, far))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._sockets.discard(near)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                await near.close()
        return near

    async def _down(self, far: ClientWebSocketResponse, near: web.WebSocketResponse, slack: bool) -> None:  # noqa: FBT001  (private)
        async for message in far:
            if slack and message.type is WSMsgType.TEXT:
                await self._envelope(message, near)
            else:
                await _send(message, near)

    async def _envelope(self, message: WSMessage, near: web.WebSocketResponse) -> None:
        envelope = _json(message.data.encode())
        await near.send_str(message.data)
        if "envelope_id" not in envelope:
            return
        self._book.note("delivery", {"type": envelope.get("type", "")}, 200, {}, None)
        fault = self._book.fault("delivery", {})
        if fault is not None and fault.kind is Kind.REPEATED:
            again = {**envelope, "envelope_id": str(uuid.uuid4()), "retry_attempt": 1, "retry_reason": "timeout"}
            await near.send_str(json.dumps(again))

    async def _told(self, request: web.Request) -> web.Response:
        what = request.path.removeprefix("/_lab/")
        said = _json(await request.read())
        if what == "fail":
            self._book.faults.append(Fault.loads(said))
        elif what == "heal":
            self._book.faults.clear()
        elif what == "forget":
            self._book.calls.clear()
        elif what == "deliver-to":
            self._deliveries.url = str(said["url"])
        elif what == "disconnect":
            for near in list(self._sockets):
                await near.send_str(json.dumps({"type": "disconnect", "reason": "refresh_requested"}))
                await near.close()
        elif what == "submit":
            return web.json_response({"errors": await self._submitted(said)})
        elif what == "calls":
            return web.json_response([asdict(call) for call in self._book.calls])
        else:
            return web.Response(status=404, text=f"/_lab/{what} is not known")
        return web.json_response({})

    async def _submitted(self, said: Mapping[str, Any]) -> Mapping[str, str]:
        """The open modal, submitted as the page does it; what was wrong with its fields."""
        async with self._inside.ws_connect(f"ws://{self._base}/ui") as page, asyncio.timeout(_MODAL_S):
            await page.send_json({"t": "view_submit", "user": said["user"], "values": said["values"]})
            async for message in page:
                seen = _json(message.data.encode())
                if seen.get("t") == "view_errors":
                    return dict(seen["errors"])
                if seen.get("t") == "view":
                    return {}
        return {}


async def _up(near: web.WebSocketResponse, far: ClientWebSocketResponse) -> None:
    async for message in near:
        await _send(message, far)


async def _send(message: WSMessage, to: web.WebSocketResponse | ClientWebSocketResponse) -> None:
    with suppress(ConnectionError):
        if message.type is WSMsgType.TEXT:
            await to.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await to.send_bytes(message.data)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPTLY)
        request.transport.abort()


def _method(path: str) -> str:
    if path.startswith("/api/"):
        return path.removeprefix("/api/")
    return "upload" if path.startswith("/upload/") else "response_url" if path.startswith("/_hooks/") else ""


def _args(request: web.Request, body: bytes) -> dict[str, Any]:
    if request.content_type == "application/x-www-form-urlencoded":
        said: dict[str, Any] = dict(parse_qsl(body.decode("utf-8", "replace")))
    elif request.content_type == "application/json":
        said = _json(body)
    else:
        said = {**request.query, "bytes": len(body)}
    return {name: value for name, value in said.items() if name != "token"}


def _json(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
