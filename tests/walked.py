"""A mapping that knows how often somebody went through it: what tests count instead of time."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator, Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Walked(UserDict[K, V]):
    """The same entries; `walks` counts from when it was made."""

    def __init__(self, entries: Mapping[K, V]) -> None:
        super().__init__(entries)
        self.walks = 0

    def __iter__(self) -> Iterator[K]:
        self.walks += 1
        return super().__iter__()
