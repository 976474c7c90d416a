"""What the grammar, help and policy need to know of a command, be it a check or a plain command of the bot."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar


class Entry(Protocol):
    """One command of the catalogue."""

    @property
    def name(self) -> str:
        """The verb."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other verbs for it."""

    @property
    def summary(self) -> str:
        """What it is for, in one line."""

    @property
    def params(self) -> type[Any]:
        """The dataclass of its parameters, as `workers.params` describes."""

    @property
    def examples(self) -> tuple[str, ...]:
        """Whole commands that help shows."""


E = TypeVar("E", bound=Entry)
E_co = TypeVar("E_co", bound=Entry, covariant=True)
