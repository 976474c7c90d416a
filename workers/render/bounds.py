"""A page that fills up: blocks are put on it while Slack's limits allow, and what did not fit is counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from workers.render import escape, limits
from workers.render.message import Block


def size(blocks: Iterable[Block]) -> int:
    """Characters of the blocks as JSON, with a comma after each."""
    return sum(len(as_json(block)) + 1 for block in blocks)


def as_json(value: object) -> str:
    """How limits count a value: as the JSON that Slack gets, with characters outside ASCII as they are."""
    return json.dumps(value, ensure_ascii=False)


class Page:
    """Blocks within the limits of one message; `cut` says whether any text or block was left out or shortened.

    `room` is the number of characters that are left, counted as JSON.
    """

    def __init__(self, *, reserved_blocks: int, reserved_characters: int) -> None:
        self.blocks: list[Block] = []
        self.cut = False
        self._blocks_left = limits.BLOCKS - reserved_blocks
        self.room = limits.MESSAGE - reserved_characters

    def put(self, block: Block) -> bool:
        """Add the block, or leave the page as it is where the block does not fit."""
        needed = size([block])
        if not self._blocks_left or needed > self.room:
            self.cut = True
            return False
        self.blocks.append(block)
        self._blocks_left -= 1
        self.room -= needed
        return True

    def words(self, text: str, most: int) -> str:
        """`escape.mrkdwn`; shortening is remembered."""
        return self._noted(escape.mrkdwn, text, most)

    def code(self, text: str, most: int) -> str:
        """`escape.code`; shortening is remembered."""
        return self._noted(escape.code, text, most)

    def _noted(self, write: Callable[[str, int], str], text: str, most: int) -> str:
        written = write(text, most)
        self.cut |= len(text) > most or written != write(text, most * escape.WIDEST)
        return written


def section(text: str, **more: Any) -> Block:
    """A section of mrkdwn; `verbatim` keeps Slack from finding links and names in it."""
    return {"type": "section", "text": mrkdwn_object(text), **more}


def mrkdwn_object(text: str) -> dict[str, Any]:
    """A text object for text that is escaped already."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
