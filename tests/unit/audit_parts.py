"""Chains as roles write them, for tests that tamper with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.audit import lines
from workers.audit.chain import Chain
from workers.audit.entry import About, Kind
from workers.audit.keys import Signer
from workers.audit.lines import Head, Line, Sunk
from workers.audit.record import Record
from workers.audit.verify import Clock, Verdict, verify

HOUR_MS = 3_600_000
NOW = Clock(HOUR_MS)
ANN = About("U0ANN", "C0INC", "lab", "job-1", "t-1")


def signer(role: str = "bot") -> Signer:
    return Signer(role, Ed25519PrivateKey.generate())


@dataclass
class Writer:
    """One process: its records, and what it told the sink."""

    signer: Signer
    name: str = "a1"
    told: list[Line] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    ms: int = 0

    def __post_init__(self) -> None:
        self.chain = Chain(self.signer, self.name, lambda: self.ms)
        self.told.append(lines.key_line(self.signer, "1970-01-01T00:00:00.000Z"))

    @property
    def writer(self) -> str:
        return self.chain.writer

    def writes(self, count: int = 1, kind: Kind = Kind.COMMAND) -> None:
        for _ in range(count):
            self.ms += 1000
            self.records.append(self.chain.add(kind, ANN, {"line": f"pod web-{len(self.records)}"}))

    def tells(self) -> Head:
        head = lines.sign(self.signer, lines.head_of(self.records[-1]))
        self.told.append(head)
        return head

    def stored(self) -> list[bytes]:
        return [one.dumps() for one in self.records]


@dataclass
class Noted:
    """A trail that only remembers."""

    entries: list[tuple[Kind, About, dict[str, str]]] = field(default_factory=list)

    def append(self, kind: Kind, about: About = ANN, said: Mapping[str, str] | None = None) -> None:
        self.entries.append((kind, about, dict(said or {})))

    async def kept(self, seconds: float = 2.0) -> None:
        assert seconds

    async def sealed(self, seconds: float = 5.0) -> None:
        assert seconds


def read(told: Sequence[Line]) -> Sunk:
    return lines.read([lines.dumps(line) for line in told])


def judged(chains: dict[str, list[bytes]], told: Sequence[Line], clock: Clock = NOW) -> Verdict:
    sunk = read(told)
    return verify(chains, sunk, sunk.keys, clock)
