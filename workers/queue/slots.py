"""How many questions go to one node at once, from all workers together: places that lapse when their holder dies."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator

import structlog

from node_helper.protocol import CannotLook
from workers.queue.claim import Store
from workers.queue.errors import QueueAway
from workers.queue.server import patiently

log = structlog.get_logger()
_LAPSE_S = 10.0
_RENEW_S = 3.0
_LOOK_AGAIN_S = (0.01, 0.2)


@contextlib.asynccontextmanager
async def slot(store: Store, node: str, wait_s: float) -> AsyncIterator[None]:
    """A place at the node for the time of the block. Raises `CannotLook` when none came free in that time, and `QueueAway`."""
    token = secrets.token_hex(8)
    await _wait(store, node, token, time.monotonic() + wait_s)
    renewal = asyncio.create_task(_renew(store, node, token), name=f"slot at {node}")
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        with contextlib.suppress(QueueAway):  # then it lapses
            await store.server.command("ZREM", store.keys.node(node), token)


async def _wait(store: Store, node: str, token: str, end: float) -> None:
    pause, longest = _LOOK_AGAIN_S
    while not await patiently(lambda: _acquire(store, node, token), store.terms.patience_s):
        if time.monotonic() + pause > end:
            raise CannotLook(
                f"{node} is being asked {store.terms.node_slots} things already",
                kind="budget",
                fix="Ask again when the other jobs are done.",
            )
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)


async def _renew(store: Store, node: str, token: str) -> None:
    while True:
        await asyncio.sleep(_RENEW_S)
        try:
            if not await _acquire(store, node, token):
                log.warning("node_slot_lapsed", node=node)
        except QueueAway as e:
            log.warning("node_slot_not_renewed", node=node, reason=str(e))


async def _acquire(store: Store, node: str, token: str) -> bool:
    got = await store.server.run("acquire", (store.keys.node(node),), token, store.terms.node_slots, round(_LAPSE_S * 1000))
    return bool(got)
