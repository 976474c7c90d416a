"""What the `dns` check is asked and what it saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

from node_helper.facts.devices import Devices
from node_helper.facts.dns import DnsAnswer
from node_helper.protocol import CannotLook
from workers.checks._dns_judge import Answer
from workers.checks._dns_ways import Ways
from workers.checks._from_pod import Inside
from workers.params import Address, Arg, DnsName, PodTarget

Type = Literal["A", "AAAA", "SRV", "CNAME", "TXT", "PTR", "MX", "NS", "SOA"]
_BOTH = {"A": "AAAA", "AAAA": "A"}


@dataclass(frozen=True)
class Params:
    """What is asked, of whom, from where."""

    name: Annotated[DnsName, Arg("the name; a dot at its end leaves the search path out")]
    pod: Annotated[PodTarget | None, Arg("the pod to ask from", word="from")] = None
    type: Annotated[Type, Arg("the record type")] = "A"
    server: Annotated[Address | None, Arg("a nameserver other than the pod's own")] = None


class Step(NamedTuple):
    """One query of the resolver: an absolute name and a type."""

    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


ROOT = Step(".", "NS")


def types(kind: Type) -> tuple[str, ...]:
    """What the resolver asks of each name: A and AAAA where an address is wanted (getaddrinfo), the wanted first."""
    return (kind, _BOTH[kind]) if kind in _BOTH else (kind,)


@dataclass(frozen=True)
class Seen:
    """What the names of the search path and the ways to the server gave. `steps` hold one or two answers, as `Ways` does.

    `root` and `devices` are asked where something failed for which they matter.
    """

    inside: Inside
    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    steps: Mapping[Step, tuple[Answer, ...]] = field(default_factory=dict)
    ways: Ways | None = None
    root: Answer | None = None
    devices: Devices | CannotLook | None = None

    @property
    def server(self) -> str:
        """The nameserver that the steps were asked of; "" where none was."""
        return self.ways.servers[0] if self.ways else ""

    def answer(self, name: str, kind: str) -> Answer:
        """How a step was answered in the end."""
        return self.steps[Step(name, kind)][-1]

    def holds(self, name: str, kind: str) -> bool:
        """Whether a step was answered with a record of its type; an alias alone is none."""
        answer = self.answer(name, kind)
        return isinstance(answer, DnsAnswer) and any(record.type == kind for record in answer.records)

    @property
    def stop(self) -> str:
        """The first name that holds records, an alias too, whichever of its types is asked (res_nquery in glibc); "" for none."""
        return next((name for name in self.names if any(_found(self.answer(name, kind)) for kind in self.kinds)), "")

    @property
    def tried(self) -> tuple[str, ...]:
        """The names up to that one."""
        return self.names[: self.names.index(self.stop) + 1] if self.stop else self.names

    @property
    def queries(self) -> int:
        """How many queries that takes."""
        return len(self.tried) * len(self.kinds)

    @property
    def chosen(self) -> tuple[str, DnsAnswer] | None:
        """The name at which it stops, with the answer of the wanted type, where that holds a record of this type."""
        answer = self.answer(self.stop, self.kinds[0]) if self.stop and self.holds(self.stop, self.kinds[0]) else None
        return (self.stop, answer) if isinstance(answer, DnsAnswer) else None

    @property
    def addressless(self) -> bool:
        """Whether addresses were asked for and no name has one of either family."""
        return len(self.kinds) > 1 and not any(self.holds(name, kind) for name in self.names for kind in self.kinds)

    @property
    def alias(self) -> str:
        """What the name at which it stops leads to in the end, as far as the answer follows; "" where it is no alias."""
        answer = self.answer(self.stop, self.kinds[0]) if self.stop else None
        targets = [r.data for r in answer.records if r.type == "CNAME"] if isinstance(answer, DnsAnswer) else []
        return targets[-1] if targets else ""


def _found(answer: Answer) -> bool:
    return isinstance(answer, DnsAnswer) and answer.rcode == "NOERROR" and bool(answer.records)
