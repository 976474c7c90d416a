"""The one failure of reading saved text."""

from __future__ import annotations


class Malformed(ValueError):
    """The text is not what ipvsadm prints; the message says in which line."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(f"line {line}: {problem}")
