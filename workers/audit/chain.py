"""The chain of one writer: each entry holds the digest of the one before. Pure, but for what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.audit import record
from workers.audit.entry import About, Entry, Kind, bounded, harmless, time_of
from workers.audit.keys import Signer
from workers.audit.record import Record


class Chain:
    """Its only writer's: `name` is unlike that of any other start of any process. `clock`: milliseconds since 1970."""

    def __init__(self, signer: Signer, name: str, clock: Callable[[], int]) -> None:
        self.writer = f"{signer.role}-{name}"
        self.signer = signer
        self._clock = clock
        self._seq, self._previous, self._at = 0, "", 0

    def add(self, kind: Kind, about: About, said: Mapping[str, str]) -> Record:
        """The next entry, signed. Its time is never before that of the one before."""
        at = max(self._clock(), self._at)
        known = harmless(about)
        entry = Entry(
            writer=self.writer, seq=self._seq + 1, previous=self._previous, at=time_of(at), kind=kind, who=known.who,
            channel=known.channel, cluster=known.cluster, subject=known.subject, trace=known.trace, said=bounded(said),
        )  # fmt: skip
        made = record.close(self.signer, entry)
        self._seq, self._previous, self._at = entry.seq, made.digest, at
        return made
