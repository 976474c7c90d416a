"""The nodes that one command may ask: what would ask more is refused before the first of them hears of it."""

from __future__ import annotations

from typing import Any

from workers.check import Effect
from workers.errors import UsageError
from workers.runner import Answers, nodes_of


class AtMost:
    """Answers of another source, as long as no more than `most` different nodes are asked in all."""

    def __init__(self, inner: Answers, most: int) -> None:
        self._inner, self._most = inner, most
        self._asked: set[str] = set()

    async def perform(self, effect: Effect) -> Any:
        """What the inner source answers. Raises `UsageError`."""
        self._asked |= nodes_of(effect)
        if len(self._asked) > self._most:
            raise UsageError(
                f"this would ask {len(self._asked)} nodes, and the policy allows {self._most}: name what is on fewer"
            )
        return await self._inner.perform(effect)
