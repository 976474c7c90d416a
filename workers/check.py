"""A check: described once, here; commands, help, policy, progress, audit and rendering derive from it.

Its `plan` is a generator that yields effects and receives their answers, and does no I/O itself; `judge` and `show` are pure.
Plans are written with the functions of this module, which give the answers their types:

    seen = yield from ask(node, sandbox.FACT, sandbox.Query(...))         # a value, or CannotLook
    by_node = yield from batch({n: Ask(n, FACT, Query()) for n in nodes})  # each by its value or by CannotLook
    total = yield from fold_completed(asks, start, add)                    # answers as they complete
    summary = yield from stream(Ask(node, ROWS, Query()), start, add)      # a stream folded into a summary
    look = Round()                                                         # different questions at once, each answer typed
    links, routes = look.add("links", Ask(...)), look.add("routes", Ask(...))
    got = yield from look.ask()                                            # links.of(got), routes.of(got)
    pair = yield from twice(Ask(node, FACT, Query()), apart=2.0)           # two samples taken on the node
"""

import enum
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from node_helper.protocol import AnyFact, CannotLook, Fact
from workers.model import Finding, Shown
from workers.objects import Cluster
from workers.params import arguments

P = TypeVar("P")
S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")


class Access(enum.Enum):
    """What a command does, which is what policy grants (`product.md`, Policy)."""

    READ = "facts about own namespaces"
    REVEAL = "node-wide data"
    PROBE = "sends packets"
    CAPTURE = "traffic content"
    CHANGE = "changes a node"


@dataclass(frozen=True)
class View:
    """What a plan may look at without asking: the cluster, the namespace that bare names mean, and the time (RFC 3339, UTC).

    `pool_label` is the label of nodes whose value `pool=NAME` means, "" where policy names none.
    `saved`: files answer for the nodes, and what they do not tell of may be there.
    """

    cluster: Cluster
    namespace: str
    now: str
    pool_label: str = ""
    saved: bool = False


@dataclass(frozen=True)
class Ask(Generic[Q, A]):
    """One question to one node."""

    node: str
    fact: AnyFact[Q, A]
    query: Q


@dataclass(frozen=True)
class Samples(Generic[A]):
    """The same question answered twice on the node, `apart` seconds between (as measured there)."""

    first: A
    second: A
    apart: float


@dataclass(frozen=True)
class Batch:
    """Ask all at once; answered when all are, each by its value or by `CannotLook`."""

    asks: Mapping[str, Ask[Any, Any]]


@dataclass(frozen=True)
class AsCompleted:
    """Ask all at once; `add` is called with each key and answer as it comes."""

    asks: Mapping[str, Ask[Any, Any]]
    start: Any
    add: Callable[[Any, str, Any], Any]


@dataclass(frozen=True)
class Stream:
    """Fold the rows of one question into a summary; ends with the question, or with `CannotLook`.

    `lasts` is for how many seconds the question is meant to go on, beside what any question may take.
    """

    ask: Ask[Any, Any]
    start: Any
    add: Callable[[Any, Any], Any]
    lasts: float = 0.0


@dataclass(frozen=True)
class Twice:
    """Two samples of each question, taken on the node; those of `once` are asked meanwhile, and answered as in a `Batch`."""

    asks: Mapping[str, Ask[Any, Any]]
    apart: float
    once: frozenset[str] = frozenset()


Effect = Batch | AsCompleted | Stream | Twice
Plan = Generator[Effect, Any, S]


def ask(node: str, fact: Fact[Q, A], query: Q) -> Plan[A | CannotLook]:
    """One question to one node."""
    answers = yield Batch({"": Ask(node, fact, query)})
    return cast("A | CannotLook", answers[""])


def batch(asks: Mapping[str, Ask[Any, A]]) -> Plan[dict[str, A | CannotLook]]:
    """Questions asked at once, all answered."""
    if not asks:
        return {}
    answers = yield Batch(asks)
    return {key: answers[key] for key in asks}


def fold_completed(asks: Mapping[str, Ask[Any, A]], start: S, add: Callable[[S, str, A | CannotLook], S]) -> Plan[S]:
    """Questions asked at once, folded in the order in which nodes answer."""
    return cast("S", (yield AsCompleted(asks, start, add)))


def stream(asked: Ask[Any, A], start: S, add: Callable[[S, A], S], lasts: float = 0.0) -> Plan[S | CannotLook]:
    """Rows of a `RowFact`, folded as they come."""
    return cast("S | CannotLook", (yield Stream(asked, start, add, lasts)))


def twice(asks: Mapping[str, Ask[Any, A]], apart: float) -> Plan[dict[str, Samples[A] | CannotLook]]:
    """Two samples of each question with `apart` seconds between, for counters."""
    answers = yield Twice(asks, apart)
    return {key: answers[key] for key in asks}


@dataclass(frozen=True)
class Slot(Generic[A]):
    """A question's place in a `Round`, for its answer."""

    key: str

    def of(self, got: Mapping[str, Any]) -> A | CannotLook:
        """The answer to this question, among those of its round."""
        return cast("A | CannotLook", got[self.key])

    def sampled(self, got: Mapping[str, Any]) -> Samples[A] | CannotLook:
        """Both answers to this question, among those of a round that asked twice."""
        return cast("Samples[A] | CannotLook", got[self.key])


class Round:
    """Different questions asked at once, whose answers keep their types."""

    def __init__(self) -> None:
        self._asks: dict[str, Ask[Any, Any]] = {}

    def add(self, key: str, ask: Ask[Any, A]) -> Slot[A]:
        """Ask this too. `key` names it in recordings."""
        self._asks[key] = ask
        return Slot(key)

    def ask(self) -> Plan[Mapping[str, Any]]:
        """Ask them all; `Slot.of` finds each answer."""
        return (yield Batch(self._asks)) if self._asks else {}

    def twice(self, apart: float, once: Iterable[Slot[Any]] = ()) -> Plan[Mapping[str, Any]]:
        """Ask them twice, on their nodes, `apart` seconds between, but some `once`; `Slot.sampled` finds each pair."""
        return (yield Twice(self._asks, apart, frozenset(slot.key for slot in once))) if self._asks else {}


@dataclass(frozen=True)
class Check(Generic[P, S]):
    """One command that asks. `params` is a dataclass whose fields are `workers.params` types with `Arg`."""

    name: str
    summary: str
    access: Access
    params: type[P]
    plan: Callable[[P, View], Plan[S]]
    judge: Callable[[P, View, S], Iterator[Finding]]
    show: Callable[[P, View, S], Shown]
    examples: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse at import what could only fail at midnight."""
        if not self.name.isidentifier() or not self.summary or not self.examples:
            raise TypeError(f"check {self.name!r}: needs a name of letters, a summary and an example")
        arguments(self.params)
