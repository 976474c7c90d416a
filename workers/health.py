"""Health and metrics of a process over HTTP: /healthz it lives, /readyz it can do its work, /metrics for Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Trouble = Callable[[], Awaitable[str]]
"""What keeps the process from its work, "" for nothing."""


def add_routes(app: web.Application, trouble: Trouble, note: Callable[[], str] = str) -> None:
    """The three pages, on an application that may have others. `note` is what people should know though the work goes on."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = await trouble()
        said = [reason or "ok", *filter(None, [note()])]
        return web.Response(text="".join(f"{line}\n" for line in said), status=503 if reason else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])


@asynccontextmanager
async def served(app: web.Application, listen: str) -> AsyncIterator[str]:
    """The application, served at `host:port` (port 0: any free one) until the block ends; its URL."""
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]"), int(port))
        await site.start()
        bound = runner.addresses[0]
        yield f"http://{host}:{bound[1]}"
    finally:
        await runner.cleanup()
