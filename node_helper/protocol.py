"""What worker and node say to each other: facts, questions, answers, and the refusal to answer.

A `Fact` is one way to look at a kernel: a typed query, a typed answer, and the function between them. A `RowFact` answers
with many rows over time instead of one answer. Both are described once, in `node_helper/facts/`; the wire, its schema
versions and the worker's typed calls derive from that description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Generic, Iterator, TypeVar, Union

from node_helper import codec
from node_helper.changes.deed import Deed

if TYPE_CHECKING:
    from node_helper.kernel import Kernel

Q = TypeVar("Q")
A = TypeVar("A")


class CannotLook(Exception):
    """A question that could not be answered, with the reason in words and what to do about it.

    `kind` is one word that code may compare: ``unreachable``, ``timeout``, ``budget``, ``denied``, ``missing`` (a tool or
    interface that the question needs), ``gone`` (the thing asked about is no more), ``old-helper``, ``host-key`` (the node is
    not proven to be itself), ``cancelled``, ``malformed``, ``bug``.
    """

    def __init__(self, reason: str, *, kind: str, fix: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.fix = fix


@dataclass(frozen=True)
class Fact(Generic[Q, A]):
    """One way to look: `collect` reads the kernel and raises `CannotLook` where it could not.

    `heavy` facts run in a child process with limits, one at a time on a node.
    """

    name: str
    query: type[Q]
    answer: type[A]
    collect: Callable[[Kernel, Q], A]
    heavy: bool = False

    @property
    def schema(self) -> str:
        """A short hash of the shapes of query and answer: equal hashes understand each other."""
        return codec.schema(self.query, self.answer)


@dataclass(frozen=True)
class RowFact(Generic[Q, A]):
    """One way to watch: `rows` yields until the query's own end, and is closed early when nobody listens any more."""

    name: str
    query: type[Q]
    answer: type[A]
    rows: Callable[[Kernel, Q], Iterator[A]]
    heavy: bool = False

    @property
    def schema(self) -> str:
        """A short hash of the shapes of query and row: equal hashes understand each other."""
        return codec.schema(self.query, self.answer)


AnyFact = Union[Fact[Q, A], RowFact[Q, A], Deed[Q, A]]
"""All that can be asked."""
