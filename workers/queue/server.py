"""One Redis, or one cluster of them: runs commands and scripts, and says `QueueAway` when it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from workers.errors import UsageError
from workers.queue.errors import QueueAway, QueueRefused
from workers.queue.scripts import script

T = TypeVar("T")
Argument = str | bytes | int | float
ANSWER_S = 3.0
"""A Redis that has not answered by then is away."""
BLOCK_S = 0.5
"""The longest wait inside Redis."""
_CONNECTIONS = 512


class Server:
    """`revive` brings a server of our own back up; None where Redis is somebody else's.

    Raises `UsageError` for a URL with options that the client does not know.
    """

    def __init__(self, url: str, *, revive: Callable[[], Awaitable[None]] | None = None, answer_s: float = ANSWER_S) -> None:
        self._url = url
        self._options = _options(answer_s)
        _check(url, self._options)
        self._revive = revive
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def run(self, name: str, keys: tuple[str, ...], *args: Argument) -> Any:
        """The answer of a script. Raises `QueueAway`."""
        return await self._answered(lambda client: _evaluate(client, name, keys, args))

    async def command(self, *words: Argument) -> Any:
        """The answer of a command. Raises `QueueAway`."""
        return await self._answered(lambda client: client.execute_command(*words))

    async def aclose(self) -> None:
        """Ends all connections; the server goes on."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _answered(self, call: Callable[[Any], Awaitable[T]]) -> T:
        try:
            return await self._once(call)
        except QueueRefused:
            raise
        except QueueAway:
            if self._revive is None:
                raise
            await self._revive()
            return await self._once(call)

    async def _once(self, call: Callable[[Any], Awaitable[T]]) -> T:
        with _translated(), _cancellable():
            return await call(self._client or await self._connect())

    async def _connect(self) -> Any:
        async with self._connecting:
            if self._client is None:
                single = redis.asyncio.Redis.from_url(self._url, **self._options)
                try:
                    clustered = (await single.info("cluster")).get("cluster_enabled")
                    self._client = await _cluster(self._url, self._options) if clustered else single
                finally:
                    if self._client is not single:
                        await single.aclose()
            return self._client


async def patiently(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """What `call` answers, called again while Redis is away, for at most that long. It must be harmless to call twice."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(QueueAway),
        stop=stop_after_delay(seconds),
        wait=wait_random_exponential(multiplier=0.05, max=1.0),
        reraise=True,
    ):
        with attempt:
            return await call()
    raise AssertionError("tenacity reraises")  # pragma: no cover


async def _evaluate(client: Any, name: str, keys: tuple[str, ...], args: tuple[Argument, ...]) -> Any:
    """By hash; a server that was restarted does not know it any more and is given the text."""
    code = script(name)
    try:
        return await client.evalsha(code.sha, len(keys), *keys, *args)
    except NoScriptError:
        return await client.eval(code.text, len(keys), *keys, *args)


def _check(url: str, options: dict[str, Any]) -> None:
    """Makes a connection, which nothing is sent over: the client looks at what a URL says no sooner."""
    try:
        pool: Any = redis.asyncio.ConnectionPool.from_url(url, **options)
        pool.make_connection()
    except (ValueError, TypeError, RedisError) as e:
        raise UsageError(f"NETCHECK_REDIS_URL: {e}") from e


async def _cluster(url: str, options: dict[str, Any]) -> Any:
    client = redis.asyncio.RedisCluster.from_url(url, **options)
    try:
        return await client.initialize()
    except BaseException:
        await client.aclose()
        raise


def _options(answer_s: float) -> dict[str, Any]:
    """One repetition, at once, for a pooled connection that had ended: every script is harmless to repeat."""
    return {
        "retry": Retry(NoBackoff(), 1, (RedisConnectionError,)),
        "socket_timeout": answer_s,
        "socket_connect_timeout": answer_s,
        "max_connections": _CONNECTIONS,
        "protocol": 2,
    }


@contextmanager
def _cancellable() -> Iterator[None]:
    """Keeps a cancellation that came while a command was being sent.

    `asyncio.wait_for` of Python 3.11, which the client uses there, forgets it when the command has just gone out.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    yield
    if task and task.cancelling() > before:
        raise asyncio.CancelledError


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, OSError) as e:
        raise QueueAway(f"Redis is away: {e}") from e
    except ResponseError as e:
        raise QueueRefused(str(e)) from e
    except (RedisError, RedisClusterException) as e:
        raise QueueAway(f"Redis cannot be used: {e}") from e
