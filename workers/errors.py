"""The failures that people see as they are: words that could not be understood, names that could not be resolved."""

from __future__ import annotations


class UsageError(Exception):
    """The words of the person, and what is wrong with them in one line. `usage` is the command's form, "" where none fits."""

    def __init__(self, problem: str, *, usage: str = "", nearest: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.usage = usage
        self.nearest = nearest


class Unresolved(UsageError):
    """A well-formed name that names nothing, or too much: `candidates` are full commands' targets to choose from."""

    def __init__(self, problem: str, *, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(problem, nearest=candidates)
        self.candidates = candidates
