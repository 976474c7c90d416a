"""Say no to a change that somebody asked for, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from bot.command import Command, Context
from bot.plain._approval import ApprovalId, Reason, agrees, said
from workers.params import Arg
from workers.render.message import Message


@dataclass(frozen=True)
class Params:
    """The approval, and why not."""

    approval: Annotated[ApprovalId, Arg("its id, which its card and `approvals` show")]
    reason: Annotated[Reason, Arg("why; everybody sees it", rest=True)]


async def answer(params: Params, ctx: Context) -> Message:
    """That it is on its way. Raises `UsageError` where it is too late, or nobody can be asked."""
    return await said(ctx, "reject", params.approval, params.reason.text)


COMMAND = Command(
    name="reject",
    summary="Say no to a change, with the reason",
    params=Params,
    answer=answer,
    examples=("reject 5f2c9a01b7de too high for these nodes",),
    may=agrees,
)
