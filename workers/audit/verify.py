"""Whether the chains are what was written: nothing removed, changed, put in another order, cut off or forged. Pure.

The chains alone cannot show that their end was cut off; the heads that a sink outside Redis has can.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from workers.audit import record
from workers.audit.entry import ms_of
from workers.audit.keys import Keys
from workers.audit.lines import Head, Seal, Sunk
from workers.audit.record import Record, Unsound

T = TypeVar("T")
_SEALING_MS = 60_000
"""A chain that began so lately may not have reached the sink yet."""
_SLACK_MS = 600_000
"""Heads follow their entries within seconds; for so long a sink may have been away without making an expired entry suspicious."""


class What(enum.Enum):
    """Ways in which an audit can have been tampered with."""

    REMOVED = "removed"
    CHANGED = "changed"
    REORDERED = "reordered"
    CUT_OFF = "cut off"
    FORGED = "forged"
    UNSEALED = "not in the sink"
    SINK = "the sink is damaged"


@dataclass(frozen=True)
class Problem:
    """One trace of tampering. `seq` is 0 where it is about the chain or the sink as a whole."""

    what: What
    writer: str
    seq: int
    detail: str


@dataclass(frozen=True)
class Verdict:
    """`unsealed`: entries so young that no head in the sink covers them, by writer. `expired`: chains that began before that."""

    problems: tuple[Problem, ...]
    entries: int
    sealed: int
    unsealed: dict[str, int] = field(default_factory=dict)
    expired: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing was tampered with."""
        return not self.problems


@dataclass(frozen=True)
class Clock:
    """Milliseconds: now, and for how long entries are kept. Whoever says no keeping time lets none be missing."""

    now_ms: int
    keep_ms: int | None = None

    def expired(self, head: Head) -> bool:
        """Whether what that head covers may be forgotten by now."""
        at = ms_of(head.at)
        return self.keep_ms is not None and at is not None and at <= self.now_ms - self.keep_ms + _SLACK_MS

    def young(self, record: Record) -> bool:
        """Whether the sink need not have heard of it yet."""
        at = ms_of(record.entry.at)
        return at is not None and at > self.now_ms - _SEALING_MS


def verify(chains: Mapping[str, Sequence[bytes]], sunk: Sunk, keys: Keys, clock: Clock) -> Verdict:
    """What is wrong with the stored records of each writer, in their stored order, and the heads of a sink. Nothing is raised."""
    heads = _by_writer(_all_heads(sunk))
    problems = [Problem(What.SINK, "", 0, detail) for detail in sunk.damaged]
    problems += _seals(sunk.seals)
    unsealed: dict[str, int] = {}
    expired: list[str] = []
    for writer in sorted({*chains, *heads}):
        chain = _Chain(writer, tuple(heads.get(writer, ())), clock)
        chain.read(chains.get(writer, ()), keys)
        chain.compare()
        problems += chain.problems
        unsealed |= {writer: chain.unsealed} if chain.unsealed else {}
        expired += [writer] if chain.forgotten else []
    count = sum(map(len, chains.values()))
    return Verdict(tuple(problems), count, count - sum(unsealed.values()), unsealed, tuple(expired))


class _Chain:
    """One writer's, as far as it is sound: `entries` by their numbers."""

    def __init__(self, writer: str, heads: tuple[Head, ...], clock: Clock) -> None:
        self.writer, self.heads, self.clock = writer, heads, clock
        self.entries: dict[int, Record] = {}
        self.problems: list[Problem] = []
        self.unsealed = 0
        self.forgotten = False

    def read(self, stored: Sequence[bytes], keys: Keys) -> None:
        order: list[int] = []
        for place, raw in enumerate(stored, 1):
            try:
                one = record.read(raw)
                record.check(one, keys)
            except Unsound as e:
                self._say(What.CHANGED, 0, f"the {place}. record {e}")
                continue
            entry = one.entry
            if entry.writer != self.writer:
                self._say(What.FORGED, entry.seq, f"the {place}. record is one of {entry.writer!r}")
            elif entry.seq in self.entries:
                self._say(What.REORDERED, entry.seq, "is there twice")
            else:
                self.entries[entry.seq] = one
                order.append(entry.seq)
        for before, after in pairwise(order):
            if after < before:
                self._say(What.REORDERED, after, f"comes after {before}")
        self._links()

    def compare(self) -> None:
        """With the heads of the sink; each seq and its digest is looked at once."""
        last = max(self.entries, default=0)
        covered = max((head.seq for head in self.heads), default=0)
        self.unsealed = sum(seq > covered for seq in self.entries)
        self._start()
        for seq, digest in dict.fromkeys((head.seq, head.digest) for head in self.heads):
            known = self.entries.get(seq)
            if known is not None and known.digest != digest:
                self._say(What.CHANGED, seq, "the sink has another digest of it")
        if self.entries and covered > last:
            self._say(What.CUT_OFF, last + 1, f"the sink has the head {covered}, the chain ends at {last}")
        if self.entries and not self.heads and not self.clock.young(self.entries[min(self.entries)]):
            self._say(What.UNSEALED, 0, "the sink has no head of this chain")

    def _links(self) -> None:
        for before, after in pairwise(sorted(self.entries)):
            if after != before + 1:
                self._say(What.REMOVED, before + 1, _missing(before + 1, after - 1))
            elif self.entries[after].entry.previous != self.entries[before].digest:
                self._say(What.CHANGED, after, "does not follow from the entry before it")
        first = self.entries.get(1)
        if first is not None and first.entry.previous:
            self._say(What.CHANGED, 1, "is the first, and follows from another entry")

    def _start(self) -> None:
        """What is missing before the first entry must have been old enough to be forgotten, as a head in the sink shows."""
        first = min(self.entries, default=0)
        if first == 1:
            return
        missing = first - 1 if first else max((head.seq for head in self.heads), default=0)
        if not missing:
            return
        if any(head.seq >= missing and self.clock.expired(head) for head in self.heads):
            self.forgotten = True
        elif first:
            self._say(What.REMOVED, 1, _missing(1, missing))
        else:
            self._say(What.CUT_OFF, 1, f"the sink has the head {missing}, and the chain is gone")

    def _say(self, what: What, seq: int, detail: str) -> None:
        self.problems.append(Problem(what, self.writer, seq, detail))


def _seals(seals: Iterable[Seal]) -> list[Problem]:
    """The seals of each signer follow from each other; those before the first that the sink has may have been rotated away."""
    found: list[Problem] = []
    for by, sealed in _grouped(dict.fromkeys(seals), lambda seal: seal.by).items():
        for before, after in pairwise(sorted(sealed, key=lambda seal: seal.seq)):
            if after.seq == before.seq:
                found.append(Problem(What.SINK, by, after.seq, "two different seals have this number"))
            elif after.seq != before.seq + 1:
                found.append(
                    Problem(What.SINK, by, before.seq + 1, f"a seal is missing: {_missing(before.seq + 1, after.seq - 1)}")
                )
            elif after.previous != before.digest:
                found.append(Problem(What.SINK, by, after.seq, "does not follow from the seal before it"))
    return found


def _all_heads(sunk: Sunk) -> list[Head]:
    """Those that writers sent and those that were counter-signed, without their signatures, which were looked at before."""
    own = [head.bare for head in sunk.heads]
    return list(dict.fromkeys([*own, *(head.bare for seal in sunk.seals for head in seal.heads)]))


def _by_writer(heads: list[Head]) -> dict[str, list[Head]]:
    return _grouped(heads, lambda head: head.writer)


def _grouped(values: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return groups


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"the entries {first} to {last} are missing"
