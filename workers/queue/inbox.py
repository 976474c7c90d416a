"""Deliveries of Slack's that are acknowledged and not yet served: whoever serves one says that it lives, or another one gets it.

They are hidden, since they have what people typed and where to answer them, and sealed with a key that workers do not have, since
they say who did what.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from workers.queue.keys import Keys
from workers.queue.server import Server
from workers.seal import Forged, Seal

log = structlog.get_logger()

KEPT_S = 300
"""A command that nobody served for so long is stale: who typed it has typed it again, or gone on without."""
_PURPOSE = "delivery"
_MOST = 100


@dataclass(frozen=True)
class Kept:
    """A delivery whose bot has died, and what was kept of it."""

    delivery: str
    said: bytes


class Inbox:
    """All raise `QueueAway`."""

    def __init__(self, server: Server, keys: Keys, seal: Seal) -> None:
        self._server, self._keys, self._seal = server, keys, seal

    async def keep(self, delivery: str, said: bytes) -> bool:
        """It is not lost any more. False: it was kept before, for another process or an earlier time that it came."""
        hidden = self._seal.hide(_PURPOSE, delivery, said)
        keys = (self._keys.kept(delivery), self._keys.inbox)
        return bool(await self._server.run("keep", keys, delivery, hidden, KEPT_S))

    async def hold(self, deliveries: Collection[str]) -> None:
        """Whoever serves these lives."""
        if deliveries:
            await self._server.run("hold", (self._keys.inbox,), *deliveries)

    async def lapsed(self, older_than_s: float) -> tuple[Kept, ...]:
        """Those whose server did not say for so long that it lives; each is given to one caller, and again after that time.

        Forged ones and stale ones are logged and thrown away.
        """
        ids = await self._server.run("overdue", (self._keys.inbox,), round(older_than_s * 1000), _MOST)
        found = [(delivery, await self._opened(delivery.decode("utf-8", "replace"))) for delivery in ids]
        if dropped := [delivery for delivery, kept in found if kept is None]:
            await self._server.command("ZREM", self._keys.inbox, *dropped)
        return tuple(kept for _, kept in found if kept)

    async def served(self, *deliveries: str) -> None:
        """They need nobody any more."""
        if deliveries:
            await self._server.command("DEL", *map(self._keys.kept, deliveries))
            await self._server.command("ZREM", self._keys.inbox, *deliveries)

    async def _opened(self, delivery: str) -> Kept | None:
        """What is dropped expires by itself."""
        hidden = await self._server.command("GET", self._keys.kept(delivery))
        if hidden is None:
            log.warning("delivery_stale", delivery=delivery)
            return None
        try:
            return Kept(delivery, self._seal.show(_PURPOSE, delivery, hidden, KEPT_S))
        except Forged as e:
            log.error("delivery_forged", reason=str(e))  # noqa: TRY400  (hostile data, not a fault of ours)
            return None
