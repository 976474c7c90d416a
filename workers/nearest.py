"""The names that are nearest to a mistyped one, of tens of thousands that may be much alike: pods of one workload are. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import islice

_ALIKE = 0.5
"""The least similarity; `hello` and `hello-world` have 0.63."""
_MOST = 1000
"""Names that are compared letter by letter, which costs the square of their length."""


def nearest(word: str, known: Iterable[str], shown: int) -> tuple[str, ...]:
    """At most `shown`, the nearest first; none where nothing is near. As `difflib.get_close_matches`, which compares them all.

    A bound tells beforehand who cannot come in; where more than a thousand could, those that it puts last are left out.
    """
    matcher = SequenceMatcher(b=word)
    likely = sorted(_bounded(matcher, known), reverse=True)
    found: list[tuple[float, str]] = []
    for bound, name in islice(likely, _MOST):
        if len(found) == shown and bound < found[0][0]:
            break
        matcher.set_seq1(name)
        alike = (matcher.ratio(), name)
        if alike[0] >= _ALIKE:
            (heapq.heappush if len(found) < shown else heapq.heappushpop)(found, alike)
    return tuple(name for _, name in sorted(found, reverse=True))


def _bounded(matcher: SequenceMatcher[str], known: Iterable[str]) -> Iterator[tuple[float, str]]:
    """The names that could be near, each with a bound of its similarity: the letters that it shares, in whatever order."""
    for name in known:
        matcher.set_seq1(name)
        if matcher.real_quick_ratio() >= _ALIKE and (bound := matcher.quick_ratio()) >= _ALIKE:
            yield bound, name
