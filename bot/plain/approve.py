"""Agree to a change that somebody asked for."""

from __future__ import annotations

from bot.command import Command, Context
from bot.plain._approval import Params, agrees, said
from workers.render.message import Message


async def answer(params: Params, ctx: Context) -> Message:
    """That it is on its way. Raises `UsageError` where it is too late, or nobody can be asked."""
    return await said(ctx, "approve", params.approval)


COMMAND = Command(
    name="approve",
    summary="Agree to a change; its card shows the plan",
    params=Params,
    answer=answer,
    examples=("approve 5f2c9a01b7de",),
    may=agrees,
)
