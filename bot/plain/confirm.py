"""What a code of the terminal means, with a button that says it in the person's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Self

from bot.acts import CONFIRM, LABELS, button, fitting
from bot.command import Command, Context
from bot.plain._approval import concerned, reached
from workers.errors import UsageError, shown
from workers.params import Arg
from workers.render import buttons, escape
from workers.render.bounds import section
from workers.render.message import Message
from workers.render.notices import person

_CODE = re.compile(r"[2-9A-HJ-NP-Z]{8}")
_LINE, _REASON = 300, 500


@dataclass(frozen=True)
class CodeWord:
    """Eight letters and digits that the terminal printed."""

    code: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """In any case."""
        if not _CODE.fullmatch(text.upper()):
            raise UsageError(f"{shown(text)} is not a code that `netcheck-bot approve` or `reject` printed")
        return cls(text.upper())

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True)
class Params:
    """The code."""

    code: Annotated[CodeWord, Arg("what the terminal printed")]


async def answer(params: Params, ctx: Context) -> Message:
    """What it is about; nothing is decided until the button is clicked. Raises `UsageError` for a code that is not known."""
    coded, posted = await reached(ctx).coded(params.code.code)
    reason = [f"Reason: {escape.mrkdwn(coded.reason, _REASON)}"] if coded.reason else []
    lines = [
        f"🔑 This says *{LABELS[coded.act]}* in your name to approval {escape.code(posted.id, _LINE)}:",
        f"*{escape.mrkdwn(posted.headline, _LINE)}*, asked by {person(posted.requester)}; {escape.mrkdwn(posted.status, _LINE)}",
        *(escape.mrkdwn(line, _LINE) for line in posted.brief),
        *reason,
    ]
    text = "\n".join(fitting(lines))
    return Message(text, (section(text), *buttons.row(button(coded.act, coded.code, CONFIRM))))


COMMAND = Command(
    name="confirm",
    summary="Say in your name what the terminal's code stands for",
    params=Params,
    answer=answer,
    examples=("confirm K7QF2M9X",),
    may=concerned,
)
