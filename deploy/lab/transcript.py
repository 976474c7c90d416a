"""Slack messages as text: what a person reads in the thread, line by line."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NEWLINE = "\n"


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
        yield from (line for text in _texts(block.get("text")) for line in _plain(text).splitlines())
        yield from (f"  {_plain(text).replace(NEWLINE, ': ', 1)}" for text in _texts(block.get("fields")))
        yield from (_plain(text) for text in _texts([block.get("elements"), block.get("accessory")]))


def _plain(text: str) -> str:
    """Without the marks that Slack draws as bold and monospaced."""
    return html.unescape(text.replace("```", "").replace("`", "").replace("*", ""))


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
