"""The nodes, asked only from a place at each: all workers together keep to a few jobs at once on one node."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from types import TracebackType
from typing import Any, Self

from node_helper.changes.grant import Applied, Grant
from workers.check import Ask, Samples
from workers.runner import Asker, Changer

Slot = Callable[[str], AbstractAsyncContextManager[None]]


class Slotted:
    """For one job: the place at a node is taken at the first question to it, and given back at the end of the block."""

    def __init__(self, nodes: Asker, slot: Slot) -> None:
        self._nodes = nodes
        self._slot = slot
        self._stack = AsyncExitStack()
        self._held: set[str] = set()
        self._taking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        await self._stack.aclose()

    async def ask(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> Any:
        """One answer. Raises `CannotLook`, also when no place at the node came free."""
        await self._place(ask.node)
        return await self._nodes.ask(ask, trace=trace, seconds=seconds)

    async def twice(self, ask: Ask[Any, Any], apart: float, *, trace: str, seconds: float) -> Samples[Any]:
        """Two samples taken on the node. Raises `CannotLook`."""
        await self._place(ask.node)
        return await self._nodes.twice(ask, apart, trace=trace, seconds=seconds)

    async def rows(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> AsyncGenerator[Any]:
        """Rows as they come. Raises `CannotLook`."""
        await self._place(ask.node)
        async with aclosing(self._nodes.rows(ask, trace=trace, seconds=seconds)) as rows:
            async for row in rows:
                yield row

    async def apply(self, node: str, grant: Grant, *, trace: str, seconds: float) -> Applied:
        """Hand a grant over, once. Raises `CannotLook`; `TypeError` for nodes that can only be looked at."""
        if not isinstance(self._nodes, Changer):
            raise TypeError("these nodes can only be looked at")
        await self._place(node)
        return await self._nodes.apply(node, grant, trace=trace, seconds=seconds)

    async def _place(self, node: str) -> None:
        async with self._taking[node]:
            if node not in self._held:
                await self._stack.enter_async_context(self._slot(node))
                self._held.add(node)
