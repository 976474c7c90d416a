"""Deciding at a terminal: a code is made there and confirmed in Slack, where it is known who somebody is. I/O.

A shell proves nobody's identity to Slack, so nothing that is done here decides anything: a code names an approval and an act, and
the voice is that of whoever confirms it in Slack, once they have read there what it means. Guessing or stealing one gains nothing
but an early look at what anybody may click on the card. These commands read what the approver says with the key that seals
people's words, so they run where the bot runs, as its user, or not at all: whoever can read that key is the bot already.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import click

from bot.approvals import Approvals
from bot.approver.board import Coded, Posted
from bot.settings import BotSettings
from workers import log, seal
from workers.changes.letters import Act
from workers.errors import BadKeyFile, UsageError
from workers.jobs import QueueAway, opened
from workers.render.escape import visible
from workers.settings import load

T = TypeVar("T")
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""No 0, 1, I or O: a code is read from one screen and typed at another."""
_LENGTH = 8
_TAKEN_S = 20.0
_LOOK_S = 0.3


def asked(use: Callable[[Approvals], Awaitable[T]]) -> T:
    """What is made of the approver's answers. Raises `UsageError` where it cannot be reached."""
    settings = load(BotSettings)
    log.configure("error", "terminal")
    try:
        return asyncio.run(_asked(settings, use))
    except QueueAway as e:
        raise UsageError(
            f"the approver cannot be reached, since Redis does not answer: {e}. Set NETCHECK_REDIS_URL as for the bot"
        ) from e


def decided(act: Act, approval: str, reason: str = "") -> bool:
    """Whether somebody confirmed it in Slack and it counted; everything about it is printed. Raises `UsageError`."""
    return asked(lambda approvals: _decided(approvals, act, approval, reason))


def lines(posted: Posted) -> list[str]:
    """An approval for a terminal."""
    said = [
        f"{posted.id}  {posted.state}: {posted.headline}",
        f"  asked by {posted.requester} in {posted.channel}; {posted.status}",
    ]
    said += [f"  {line}" for line in posted.brief]
    said += [f"  waiting for {', '.join(posted.waits_for)}"] if posted.waits_for else []
    return [visible(line) for line in said]


async def _asked(settings: BotSettings, use: Callable[[Approvals], Awaitable[T]]) -> T:
    async with _approvals(settings) as approvals:
        return await use(approvals)


@asynccontextmanager
async def _approvals(settings: BotSettings) -> AsyncIterator[Approvals]:
    path = settings.voice_key_file or settings.data_dir / "voice.key"
    try:
        voices = seal.read(path)
    except BadKeyFile as e:
        raise UsageError(f"run this where the bot runs, as its user: {e}") from e
    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    async with opened(url, settings.data_dir, key_file=settings.job_key_file, tag=settings.redis_tag) as jobs:
        yield Approvals(jobs.mail(voices))


async def _decided(approvals: Approvals, act: Act, approval: str, reason: str) -> bool:
    posted = await approvals.posted(approval)
    for line in lines(posted):
        click.echo(line)
    if act not in posted.acts:
        raise UsageError(f"it is too late for that: it is {posted.state}")
    code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    await approvals.want_code(code, approval, act, reason)
    coded = await _known(approvals, code)
    if not coded.answer:
        click.echo(f"\nTo {act} it, type this in Slack within 10 minutes, as yourself:\n\n  /netcheck confirm {code}\n")
        coded = await _used(approvals, coded)
    click.echo(f"{coded.who or 'netcheck'}: {visible(coded.answer)}")
    return coded.counted


async def _known(approvals: Approvals, code: str) -> Coded:
    end = time.monotonic() + _TAKEN_S
    while (coded := (await approvals.board()).coded(code)) is None:
        if time.monotonic() > end:
            raise UsageError("the approver does not take the code; it is stopped, or its store is another one")
        await asyncio.sleep(_LOOK_S)
    return coded


async def _used(approvals: Approvals, coded: Coded) -> Coded:
    now: Coded | None = coded
    while now is not None and not now.answer:
        await asyncio.sleep(_LOOK_S)
        now = (await approvals.board()).coded(coded.code)
    if now is None:
        raise UsageError("nobody confirmed the code in time")
    return now
