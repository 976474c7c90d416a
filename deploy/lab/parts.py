"""What was opened is closed again, the last first; parts may be opened from several threads."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol, TypeVar


class Closable(Protocol):
    """Anything that ends when it is closed."""

    def close(self) -> None:
        """End it."""
        ...


_Part = TypeVar("_Part", bound=Closable)


class Parts:
    """The parts of a lab that are up."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def opened(self, part: _Part) -> _Part:
        """Remember to close ``part``."""
        self._stack.callback(part.close)
        return part

    def close(self) -> None:
        """Close every part, the last opened first; one that fails does not keep the others."""
        self._stack.close()
