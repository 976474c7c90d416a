"""Slack messages as text: what a person reads in the thread, line by line."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def transcript(messages: Sequence[Mapping[str, Any]]) -> str:
    """The messages one after the other, files and buttons named."""
    return "\n\n".join("\n".join(_message(m)) for m in messages)


def _message(message: Mapping[str, Any]) -> Iterator[str]:
    lines = [line for block in message.get("blocks") or () for line in _lines(block)]
    yield from lines or [html.unescape(str(message.get("text", "")))]
    for file in message.get("files") or ():
        yield f"📎 {file.get('name')} ({file.get('size')} bytes)"


def _lines(block: Mapping[str, Any]) -> Iterator[str]:
    kind = block.get("type")
    if kind == "actions":
        yield " ".join(f"[{element['text']['text']}]" for element in block["elements"] if "text" in element)
    elif kind == "table":
        yield from (" | ".join(_cell(cell) for cell in row) for row in block["rows"])
    else:
        for text in _texts(block):
            yield from html.unescape(text).splitlines()


def _cell(cell: Mapping[str, Any]) -> str:
    return html.unescape(" ".join(_texts(cell)))


def _texts(value: Any) -> Iterator[str]:
    """Every text of a block, in its order; buttons beside a section are named."""
    if isinstance(value, Mapping):
        if value.get("type") == "button":
            yield f"[{value['text']['text']}]"
            return
        if isinstance(value.get("text"), str):
            yield value["text"]
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
