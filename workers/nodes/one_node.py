"""One node: its warm helper, started once for however many wait for it, and its places for questions."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from node_helper.protocol import CannotLook
from workers.nodes.helper import Helper


class Node:
    """Questions to one node take a place, of which there are `places`, and the helper, which is started when there is none."""

    def __init__(self, name: str, start: Callable[[str], Awaitable[Helper]], places: int) -> None:
        self._name = name
        self._start = start
        self._places = asyncio.Semaphore(places)
        self._helper: Helper | None = None
        self._starting: asyncio.Task[Helper] | None = None
        self._users = 0
        self._used = time.monotonic()

    @asynccontextmanager
    async def place(self, seconds: float) -> AsyncIterator[Helper]:
        """The helper and a place on it; `CannotLook` when none gets free in time or no helper can be started."""
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError as e:
            reason = f"{self._name}: other questions to this node took all of {seconds:g} s"
            raise CannotLook(reason, kind="timeout", fix="Ask again in a moment.") from e
        try:
            async with self.helper() as helper:
                yield helper
        finally:
            self._places.release()

    @asynccontextmanager
    async def helper(self) -> AsyncIterator[Helper]:
        """The helper, without a place."""
        self._users += 1
        try:
            yield await self._warm()
        finally:
            self._users -= 1
            self._used = time.monotonic()

    def idle_for(self) -> float:
        """Seconds since somebody used the helper; 0 while somebody does or there is none."""
        return time.monotonic() - self._used if self._helper is not None and not self._users else 0.0

    async def aclose(self) -> None:
        """End the helper, or its start."""
        if self._starting is not None:
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, CannotLook):
                await self._starting
        helper, self._helper = self._helper, None
        if helper is not None:
            await helper.aclose()

    async def _warm(self) -> Helper:
        if self._helper is not None and self._helper.alive:
            return self._helper
        if self._starting is None:
            self._starting = asyncio.create_task(self._replace(), name=f"start the helper of {self._name}")
            self._starting.add_done_callback(_seen)
        starting = self._starting
        try:
            return await asyncio.shield(starting)  # others wait for it too
        except asyncio.CancelledError:
            if starting.cancelled():
                raise closing(self._name) from None  # not we were cancelled, it was
            raise

    async def _replace(self) -> Helper:
        try:
            old, self._helper = self._helper, None
            if old is not None:
                await old.aclose()
            self._helper = await self._start(self._name)
            return self._helper
        finally:
            self._starting = None


def closing(node: str) -> CannotLook:
    """The refusal of a worker that ends."""
    return CannotLook(f"{node}: not asked, the worker is ending", kind="cancelled", fix="Ask again.")


def _seen(task: asyncio.Task[Helper]) -> None:
    """A failed start is known to whoever waited; that all of them went away meanwhile is no news."""
    if not task.cancelled():
        task.exception()
