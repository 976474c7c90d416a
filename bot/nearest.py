"""Which of the known words a mistyped one is nearest to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ALIKE = 0.66
"""The similarity of `pdo` and `pod`; `coredns` and `dns` are below it."""
_SHOWN = 3


def nearest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """At most three, the nearest first; none where nothing is near."""
    return tuple(dict.fromkeys(difflib.get_close_matches(word, sorted(known), _SHOWN, _ALIKE)))
