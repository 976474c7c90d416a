"""A bot on Slack's stand-in and a real queue: started in this process, and what people do to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import SecretStr

from bot import service
from bot.settings import BotSettings
from deploy.lab.slack import SlackStandIn
from tests.slack.parts import of_the_bot, until
from tests.unit.conftest import RedisPlace
from workers.jobs import Jobs, State, Status

POD = "pod hello-world"


@dataclass(frozen=True)
class Bot:
    """A running bot, its queue and its workspace."""

    slack: SlackStandIn
    jobs: Jobs
    url: str

    async def does(self, act: Callable[..., object], *args: Any, **more: Any) -> Any:
        return await asyncio.to_thread(lambda: act(*args, **more))

    async def queued(self, count: int = 1) -> tuple[Status, ...]:
        """Alice's jobs, as soon as so many are queued."""
        found: list[Status] = []

        async def there() -> bool:
            recent = await self.jobs.recent(self.slack.workspace.alice)
            found[:] = [status for status in recent if status.state is State.QUEUED]
            return len(found) >= count

        await until_so(there)
        return tuple(found)

    async def said(self, part: str, channel: str = "") -> dict[str, Any]:
        """The bot's message with these words, as soon as it is there."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [m for m in of_the_bot(self.slack, channel) if part in m.get("text", "")]
            return bool(found)

        await until(there)
        return found[0]


def settings_of(slack: SlackStandIn, place: RedisPlace, url: str = "", **more: Any) -> BotSettings:
    return BotSettings(
        redis_url=SecretStr(url or place.url),
        redis_tag=place.tag,
        job_key_file=place.key_file,
        data_dir=place.key_file.parent,
        cluster="lab",
        slack_bot_token=SecretStr(slack.workspace.bot_token),
        slack_api_url=slack.api_url,
        bot_listen="127.0.0.1:0",
        **more,
    )


async def until_so(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):  # a new bot has to start, perhaps beside other tests
        while not await true():  # noqa: ASYNC110  (other processes have no event to wait for)
            await asyncio.sleep(0.01)


async def ready(url: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
        return answer.status == 200


@asynccontextmanager
async def running(slack: SlackStandIn, place: RedisPlace, settings: BotSettings) -> AsyncIterator[Bot]:
    heard: list[str] = []
    jobs = place.jobs()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(jobs.aclose)
        await service.running(settings, heard.append, stack)
        if settings.slack_app_token:
            await until_so(lambda: ready(heard[0]))
        yield Bot(slack, jobs, heard[0])
