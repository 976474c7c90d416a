"""A message as text alone, for a Slack that refuses its blocks: what they said, cut where Slack would cut it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workers.render import limits
from workers.render.message import Block, Message

_CUT = "\n… (cut)"


def plain(message: Message) -> str:
    """All texts of the blocks in their order, buttons aside; the message's own text where there are none."""
    whole = "\n".join(text for block in message.blocks for text in _texts(block)) or message.text
    return whole if len(whole) <= limits.TEXT else whole[: limits.TEXT - len(_CUT)] + _CUT


def _texts(block: Block) -> Iterator[str]:
    if block.get("type") == "actions":
        return
    if isinstance(block.get("text"), str):
        yield block["text"]
    for part in (block.get("text"), *block.get("fields", ()), *block.get("elements", ())):
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield part["text"]
    yield from _cells(block.get("rows", ()))


def _cells(rows: Any) -> Iterator[str]:
    """A table's rows, a line each."""
    for row in rows:
        yield " | ".join(str(cell.get("text", "")) for cell in row if isinstance(cell, Mapping))
