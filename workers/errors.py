"""The failures that people see as they are: words that could not be understood, names that could not be resolved."""

from __future__ import annotations

_LONGEST = 60
"""Characters of somebody's text that one line of ours shows."""


class UsageError(Exception):
    """The words of the person, and what is wrong with them in one line. `usage` is the command's form, "" where none fits."""

    def __init__(self, problem: str, *, usage: str = "", nearest: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.usage = usage
        self.nearest = nearest


class BadKeyFile(Exception):
    """A file of keys cannot be used; the message says which one, why, and what to do."""


class Unresolved(UsageError):
    """A well-formed name that names nothing, or too much: `candidates` are targets to put in the place of what was `said`."""

    def __init__(self, problem: str, *, said: str = "", candidates: tuple[str, ...] = ()) -> None:
        super().__init__(problem, nearest=candidates)
        self.said = said
        self.candidates = candidates


class Ambiguous(Unresolved):
    """A name that could be any of several."""


class Unlisted(Unresolved):
    """A name that is not among what is known, where a list that would hold it was not read or is old: it may be there.

    `kinds` are those lists, by their fields in `Cluster`. A run ends with it as a finding.
    """

    def __init__(self, problem: str, *, said: str, candidates: tuple[str, ...], kinds: tuple[str, ...]) -> None:
        super().__init__(problem, said=said, candidates=candidates)
        self.kinds = kinds


def shown(text: str) -> str:
    """Somebody's text in a message of ours: quoted, on one line, bounded, without control characters."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return repr(clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 3]}...")
