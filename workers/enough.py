"""When somebody has seen enough of what goes on by itself: it ends there, and what was seen until then is the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar, cast

T = TypeVar("T")
_OVER = object()


class Enough:
    """`watching` while rows are being waited for that come for as long as a person said."""

    def __init__(self) -> None:
        self.watching = False
        self._said = asyncio.Event()

    def say(self) -> None:
        """Now."""
        self._said.set()

    @property
    def said(self) -> bool:
        """Whether somebody did."""
        return self._said.is_set()

    async def rows(self, rows: AsyncGenerator[T]) -> AsyncGenerator[T]:
        """They, until they end or it is enough. Whoever made `rows` closes them."""
        self.watching = True
        try:
            while (row := await self._next(rows)) is not _OVER:
                yield cast("T", row)
        finally:
            self.watching = False

    async def _next(self, rows: AsyncGenerator[T]) -> T | object:
        coming = asyncio.create_task(_first(rows))
        said = asyncio.create_task(self._said.wait())
        try:
            await asyncio.wait({coming, said}, return_when=asyncio.FIRST_COMPLETED)
            return coming.result() if coming.done() else _OVER
        finally:
            for task in (coming, said):
                task.cancel()
            await asyncio.gather(coming, said, return_exceptions=True)


async def _first(rows: AsyncGenerator[T]) -> T | object:
    return await anext(rows, _OVER)
