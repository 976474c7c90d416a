"""A title with lines under it, as a message within the limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workers.render import escape, limits
from workers.render.bounds import Page, section
from workers.render.message import Message

_MORE = 200


def message(title: str, lines: Sequence[str]) -> Message:
    """`lines` are mrkdwn that is escaped and bounded already; lines that do not fit in one message are counted."""
    page = Page(reserved_blocks=1, reserved_characters=_MORE)
    heading = f"*{escape.mrkdwn(title, limits.HEADER)}*"
    left = len(lines)
    for chunk in _chunks(heading, lines):
        if not page.put(section("\n".join(chunk))):
            break
        left -= len(chunk) - (chunk[0] == heading)
    more = (section(f"and {left} more"),) if left else ()
    return Message("\n".join((heading, *lines))[: limits.TEXT], (*page.blocks, *more))


def _chunks(heading: str, lines: Sequence[str]) -> Iterator[list[str]]:
    """As many lines in one section as it holds."""
    chunk = [heading]
    for line in lines:
        if sum(map(len, chunk)) + len(chunk) + len(line) > limits.SECTION:
            yield chunk
            chunk = []
        chunk.append(line)
    yield chunk
