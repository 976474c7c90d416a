"""Whether Slack would take a message: its own models of blocks, and every limit that they do not know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from slack_sdk.models.blocks import Block

from workers.render import limits
from workers.render.message import Message

_LINK = re.compile(r"<[^>]|<$")


def refuse_what_slack_refuses(message: Message, mentions: Iterable[str] = ()) -> None:
    """Fails with the first limit that is exceeded, and for anything that Slack would turn into a mention or link.

    People of these ids may be mentioned.
    """
    for user in mentions:
        message = Message.loads(message.dumps().replace(f"<@{user}>", f"@{user}"))
    assert 0 < len(message.text) <= limits.TEXT
    assert not _LINK.search(message.text)
    assert 0 < len(message.blocks) <= limits.BLOCKS
    assert len(json.dumps(message.blocks, ensure_ascii=False)) <= limits.MESSAGE
    json.dumps(message.blocks, ensure_ascii=False).encode("utf-8")
    for block in message.blocks:
        parsed = Block.parse(dict(block))
        assert parsed is not None
        parsed.validate_json()
        _one(dict(block))


def _one(block: dict[str, Any]) -> None:
    for text in _texts(block, "mrkdwn"):
        assert not _LINK.search(text)
        assert text.isprintable() or set(text) - {"\n"} <= {c for c in text if c.isprintable()}
    if block["type"] == "section":
        assert 0 < len(block["text"]["text"]) <= limits.SECTION
        assert len(block.get("fields", [])) <= limits.FIELDS
        assert all(0 < len(field["text"]) <= limits.FIELD for field in block.get("fields", []))
    elements = block.get("elements", []) + ([block["accessory"]] if "accessory" in block else [])
    assert len(elements) <= (limits.CONTEXT_ELEMENTS if block["type"] == "context" else limits.ACTIONS)
    for button in (e for e in elements if e["type"] == "button"):
        assert 0 < len(button["text"]["text"]) <= limits.BUTTON
        assert 0 < len(button["value"]) <= limits.VALUE
        assert len(button["action_id"]) <= limits.IDENTIFIER


def _texts(value: Any, kind: str) -> Iterator[str]:
    """The texts of every text object of that kind, at any depth."""
    if isinstance(value, dict):
        if value.get("type") == kind:
            yield value["text"]
        yield from (text for inner in value.values() for text in _texts(inner, kind))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _texts(inner, kind))
