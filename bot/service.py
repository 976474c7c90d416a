"""The bot's process: its parts put together, kept up, and ended in an order in which nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog
from aiohttp import web

from bot import plain
from bot.app import EVENTS_PATH, Front, Socket
from bot.approvals import Approvals
from bot.approver import audited, key
from bot.approver.service import Means, inside
from bot.aside import Asides
from bot.desk import Books, Desk, Home
from bot.directory import Directory
from bot.entry import Entry
from bot.reception import Reception
from bot.settings import BotSettings
from bot.voting import Voting
from workers import catalogue, health, intents
from workers.audit import opening as auditing
from workers.audit.entry import About, Kind
from workers.audit.reading import Reader
from workers.errors import UsageError
from workers.jobs import Jobs, QueueAway, opened
from workers.policy.watch import PolicyFile
from workers.slack.client import Identity, Slack
from workers.slack.errors import SlackAway, SlackRefused
from workers.slack.thread import Thread

log = structlog.get_logger()

_LAST_S = 15.0
"""What is being served when the bot is to stop has this long; then another process finds it."""
_PATIENCE_S = 120.0


async def serve(settings: BotSettings, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT, then finish what was asked. `announce` hears the URL of health and metrics."""
    settings.check_ways_in()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        await running(settings, announce, stack)
        await stopping.wait()
        log.info("stopping")


async def running(settings: BotSettings, announce: Callable[[str], None], stack: AsyncExitStack) -> None:
    """The bot runs until the stack is closed. Raises `UsageError` where a setting is wrong or Slack refuses the token."""
    entries: dict[str, Entry] = {**catalogue.catalogue(), **plain.catalogue()}
    rules = PolicyFile(settings.policy_file)
    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    jobs = await stack.enter_async_context(opened(url, settings.data_dir, key_file=settings.job_key_file, tag=settings.redis_tag))
    slack = Slack(settings.bot_token, settings.slack_api_url)
    stack.push_async_callback(slack.close)
    thread = Thread(slack)
    who = await _identity(thread)
    home = Home(settings.cluster, settings.namespace, who.user)
    audit = await stack.enter_async_context(auditing.opened(settings, "bot", jobs))
    rules.tell(lambda said: audit.append(Kind.POLICY, About(cluster=settings.cluster), said))
    voices = settings.voices()
    mail = jobs.mail(voices)
    approvals = Approvals(mail)
    books = Books(audit, Reader(auditing.store_of(settings, jobs), lambda: auditing.known_keys(settings)), approvals)
    directory = Directory(slack, thread.pace, who.team, lambda: rules().groups)
    desk = Desk(Asides(jobs, thread), books, directory, entries, rules, home)
    secret = settings.slack_signing_secret.get_secret_value() if settings.slack_signing_secret else ""
    reception = Reception(jobs.inbox(voices), desk, Voting(approvals, thread, directory))
    front = Front(reception, desk, who, settings.bot_token, secret)
    _kept(stack, intents.look_after(jobs, thread))
    _kept(stack, reception.look_after())
    _kept(stack, rules.watch())
    if settings.approves:
        signing, folder = key.checked(settings.signing_key), settings.approver_folder
        means = Means(folder, signing, jobs, mail, thread, rules, lambda: audited.opened(settings, jobs))
        _kept(stack, inside(means))
    stack.push_async_callback(reception.drain, _LAST_S)
    app = web.Application()
    socket = await _opened(settings, front, stack)
    if secret:
        app.router.add_post(EVENTS_PATH, front.handle)
    health.add_routes(app, lambda: _trouble(jobs, socket), lambda: rules.trouble)
    announce(await stack.enter_async_context(health.served(app, settings.bot_listen)))


async def _identity(thread: Thread) -> Identity:
    try:
        return await thread.pace.patiently("", thread.slack.identity, _PATIENCE_S)
    except SlackRefused as e:
        raise UsageError(f"Slack refuses the bot token ({e.code}): install the app again and set NETCHECK_SLACK_BOT_TOKEN") from e
    except SlackAway as e:
        raise UsageError(f"Slack does not answer: {e}. Is NETCHECK_SLACK_API_URL right, and is there a way out?") from e


async def _opened(settings: BotSettings, front: Front, stack: AsyncExitStack) -> Socket | None:
    if settings.slack_app_token is None:
        return None
    socket = Socket(front, settings.slack_app_token.get_secret_value(), settings.slack_api_url)
    stack.push_async_callback(socket.close)
    _kept(stack, socket.connect())
    _kept(stack, socket.watch())
    return socket


def _kept(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Runs it beside the rest until the stack is closed."""
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


async def _trouble(jobs: Jobs, socket: Socket | None) -> str:
    try:
        await jobs.ping()
    except QueueAway as e:
        return f"Redis: {e}"
    return "Slack: Socket Mode is not connected" if socket is not None and not await socket.connected() else ""
