"""The approver in a process of its own, for installations where no bot shall hold the key. I/O."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from bot.approver import audited, key
from bot.approver.service import Means, Work
from bot.approver.store import Store, Taken
from bot.settings import BotSettings
from workers import health
from workers.errors import UsageError
from workers.jobs import Jobs, QueueAway, opened
from workers.policy.watch import PolicyFile
from workers.slack.client import Slack
from workers.slack.thread import Thread

log = structlog.get_logger()


async def serve(settings: BotSettings, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT. `announce` hears the URL of health and metrics. Raises `UsageError`."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        work = await _put_together(settings, announce, stack)
        going = asyncio.create_task(work.go_on())
        await asyncio.wait({going, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)


async def _put_together(settings: BotSettings, announce: Callable[[str], None], stack: AsyncExitStack) -> Work:
    signing = key.checked(settings.signing_key)
    try:
        store = Store(settings.approver_folder)
    except Taken as e:
        raise UsageError(f"{e}: one is enough, and two would be too many; end the other, or set NETCHECK_DATA_DIR") from e
    stack.callback(store.close)
    rules = PolicyFile(settings.policy_file)
    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    jobs = await stack.enter_async_context(opened(url, settings.data_dir, key_file=settings.job_key_file, tag=settings.redis_tag))
    slack = Slack(settings.bot_token, settings.slack_api_url)
    stack.push_async_callback(slack.close)
    means = Means(
        settings.approver_folder, signing, jobs, jobs.mail(settings.voices()), Thread(slack), rules,
        lambda: audited.opened(settings, jobs),
    )  # fmt: skip
    work = Work(means, store, await stack.enter_async_context(means.witness()))
    app = web.Application()
    health.add_routes(app, lambda: _trouble(jobs, work), lambda: rules.trouble)
    announce(await stack.enter_async_context(health.served(app, settings.approver_listen)))
    watching = asyncio.create_task(rules.watch())
    stack.callback(watching.cancel)
    return work


async def _trouble(jobs: Jobs, work: Work) -> str:
    try:
        await jobs.ping()
    except QueueAway as e:
        return f"Redis: {e}"
    held = "; ".join(sorted(set(work.approver.held.values())))
    return work.trouble or (f"Agreed and not signed: {held}" if held else "")
