"""What a deed is: a question on the wire whose answer is that something was changed, or why not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Generic, TypeVar

from node_helper import codec

if TYPE_CHECKING:
    from node_helper.stop import Stop

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True)
class Deed(Generic[Q, A]):
    """`do` decides by itself, from the query alone, whether it may; `refused` is its answer where the helper may change nothing.

    Whoever stops waiting for `do` does not stop what it began: asked again, it says what came of it.
    """

    name: str
    query: type[Q]
    answer: type[A]
    do: Callable[[Q, Stop], A]
    refused: Callable[[str], A]

    @property
    def schema(self) -> str:
        """As a fact's: equal hashes understand each other."""
        return codec.schema(self.query, self.answer)
