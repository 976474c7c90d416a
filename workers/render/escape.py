r"""Hostile text made harmless for Slack and for terminals, and bounded while at it.

What cannot be seen (control characters, bidi overrides, zero-width ones) is shown as an escape such as `\x1b`. Bounds hold for
the escaped text; whatever they cut is counted in the text itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
"""The three characters that mrkdwn reserves (docs.slack.dev, messaging/formatting-message-text)."""
_LOOKALIKES = {"*": "∗", "_": "＿", "~": "∼", "`": "ˋ"}  # noqa: RUF001  (the likeness is the point)
"""Slack has no escape for its formatting characters (the same page names none), so they are replaced where they would format."""
WIDEST = len("\\U0010ffff") + 2
"""No character becomes longer than this, a code span's backticks included."""
_CODE = re.compile(r"`([^`\n]+)`")
_MARK = "\ue000"
"""Stands for a backtick of ours; a private-use character, which no text of theirs keeps."""
_EMOJI = re.compile(r":(?=[0-9a-f]*[g-z_+'-][a-z0-9_+'-]{0,100}:)")
"""Opens an emoji's name; those of hexadecimal digits alone (`:bee:`) are let be, for the sake of IPv6 and MAC addresses."""


def visible(text: str) -> str:
    """The text on one line, with everything unprintable as an escape."""
    return text if text.isprintable() else "".join(map(_seen, text))


def mrkdwn(text: str, most: int) -> str:
    """Words of ours with names of theirs in them, for mrkdwn: no mention, link, emoji or formatting but code comes to be."""
    head = _CODE.sub(_marked, _EMOJI.sub("∶", text[: most + 1].replace(_MARK, "?")))  # noqa: RUF001  (a likeness)
    return _bounded(head + text[most + 1 :], most, _word)


def cell(text: str, most: int) -> str:
    """Text for one cell of a table, where a count of what is cut would take the place of what is not."""
    seen = visible(text[: most + 1])
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"


def code(text: str, most: int) -> str:
    """Text as an inline code span; an empty one is a dash, since Slack shows two backticks otherwise."""
    return f"`{_bounded(text, most - 2, _literal)}`" if text else "–"  # noqa: RUF001  (a dash for the eye)


def literal(text: str, most: int) -> str:
    """Text for inside a code block of several lines, whose fences the caller writes."""
    return _bounded(text, most, _literal)


def plain(text: str, most: int) -> str:
    """Text for a plain_text object, where nothing is interpreted."""
    return _bounded(text, most, lambda _before, c, _after: _seen(c))


def _bounded(text: str, most: int, piece: Callable[[str, str, str], str]) -> str:
    head = text[: most + 1]
    pieces = [piece(head[i - 1 : i], c, head[i + 1 : i + 2]) for i, c in enumerate(head)]
    if len(text) == len(head) and sum(map(len, pieces)) <= most:
        return "".join(pieces)
    room = most - len(_cut(len(text)))
    kept = 0
    for piece_ in pieces:
        room -= len(piece_)
        if room < 0:
            break
        kept += 1
    return "".join(pieces[:kept]) + _cut(len(text) - kept)


def _cut(count: int) -> str:
    return f"… ({count} more characters)"


def _seen(c: str) -> str:
    return c if c.isprintable() else c.encode("unicode_escape").decode("ascii")


def _marked(span: re.Match[str]) -> str:
    """Its backticks as marks, so that those of any other are told apart."""
    return f"{_MARK}{span[1]}{_MARK}"


def _literal(_before: str, c: str, _after: str) -> str:
    return _ENTITIES.get(c) or (_LOOKALIKES["`"] if c == "`" else _seen(c))


def _word(before: str, c: str, after: str) -> str:
    """Formatting characters matter at the edge of a word only: `nf_conntrack_max` stays as it is."""
    if c == _MARK:
        return "`"
    if c in _LOOKALIKES and not (before.isalnum() and after.isalnum() and c != "`"):
        return _LOOKALIKES[c]
    return _ENTITIES.get(c) or _seen(c)
