"""A command as its words: what phones, word processors and Slack did to the text is undone, and nothing else.

`;`, `$(…)` and their like are characters as any other; that no type of parameter accepts them is what keeps them harmless.
"""

from __future__ import annotations

import re

from workers.errors import UsageError

LONGEST = 1_000
"""Characters of a command: several times the longest that makes sense, and short enough for a button's value."""

_LINK = re.compile(r"<(?:([@#!])([^<>|\s]*)|((?:https?|mailto|tel):[^<>|\s]*))(?:\|([^<>|]*))?>")
_ENTITY = re.compile(r"&(amp|lt|gt);")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">"}
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), *range(0xFE00, 0xFE10)]
)
"""Soft hyphen, byte order mark, zero-width and bidi controls, variation selectors: they come with what is pasted."""
_SPACES = dict.fromkeys([0x09, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
_QUOTES = {**dict.fromkeys(map(ord, "“”„‟«»″"), '"'), **dict.fromkeys(map(ord, "‘’‚‛′"), "'")}  # noqa: RUF001  (what phones write)
_HYPHENS = dict.fromkeys(map(ord, "‐‑‒–−﹣－"), "-")  # noqa: RUF001  (again)
_LONG_DASH = re.compile("[—―]")
_SHORT_FOR_TWO = re.compile(r"(?<!\S)[–‒](?=[A-Za-z]{2})")  # noqa: RUF001  (again)
_TYPOGRAPHY = {**_INVISIBLE, **_SPACES, **_QUOTES, **_HYPHENS, ord("`"): None}
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|[^ ])+""")
_QUOTED = re.compile(r""""([^"]*)"|'([^']*)'""")


def words(text: str) -> list[str]:
    """The words of a command; quotes hold one together. Raises `UsageError` for what is too long or is not one line of text."""
    if len(text) > LONGEST:
        raise UsageError(f"the command is {len(text)} characters long; {LONGEST} are read at most")
    line = plain(text).strip(" \r\n")
    if "\n" in line or "\r" in line:
        raise UsageError("a command is one line; send the lines one by one")
    if not line.isprintable():
        raise UsageError("the command has characters in it that cannot be seen; type it instead of pasting it")
    return [_QUOTED.sub(lambda m: m[1] or m[2] or "", word) for word in _WORD.findall(line)]


def plain(text: str) -> str:
    """The text as it was meant: straight quotes, plain dashes and spaces, Slack's links as what was typed."""
    typed = _ENTITY.sub(lambda m: _ENTITIES[m[1]], _LINK.sub(_typed, text))
    dashed = _LONG_DASH.sub("--", _SHORT_FOR_TWO.sub("--", typed))
    return dashed.translate(_TYPOGRAPHY)


def after_mention(text: str, user: str) -> str:
    """What is said to the bot whose user id this is: the words after its mention, or those before where none follow."""
    before, _, after = re.sub(rf"<@{re.escape(user)}(\|[^<>]*)?>", "\0", text, count=1).partition("\0")
    return after.strip() or before.strip()


def _typed(link: re.Match[str]) -> str:
    """`<http://a.b|a.b>` is a.b, `<@U1|ann>` is @U1, `<#C1|ops>` is #C1, `<!channel>` is @channel."""
    kind, target, url, label = link.groups()
    if kind:
        return f"@{target}" if kind == "!" else f"{kind}{target}"
    return label or url.removeprefix("mailto:").removeprefix("tel:")
