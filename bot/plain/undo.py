"""Put back what an approved change has changed."""

from __future__ import annotations

from bot.command import Command, Context
from bot.plain._approval import Params, concerned, said
from workers.render.message import Message


async def answer(params: Params, ctx: Context) -> Message:
    """That it is on its way. Raises `UsageError` where it is too late, or nobody can be asked."""
    return await said(ctx, "undo", params.approval)


COMMAND = Command(
    name="undo",
    summary="Put back what an approved change has changed",
    params=Params,
    answer=answer,
    examples=("undo 5f2c9a01b7de",),
    may=concerned,
)
