"""The one failure of reading rules."""

from __future__ import annotations


class Malformed(ValueError):
    """The text is not what the tool prints; the message says where."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
