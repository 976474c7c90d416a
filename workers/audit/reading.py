"""The newest entries that somebody wants to see, verified one by one; how complete they are only `verify` says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from workers.audit import record
from workers.audit.entry import Entry, Kind, ms_of
from workers.audit.keys import Keys
from workers.audit.record import Record, Unsound
from workers.audit.store import Store

MOST_READ = 50_000
"""Records that one question may read: some seconds."""


@dataclass(frozen=True)
class Wanted:
    """What is "" or None is no condition. `subject` is a job or an approval: what has the same trace belongs to it too."""

    since_ms: int = 0
    who: str = ""
    subject: str = ""
    kind: Kind | None = None
    limit: int = 20

    def wants(self, entry: Entry, traces: frozenset[str] = frozenset()) -> bool:
        """Whether the entry is one of them; `traces` are those that are wanted whatever their subject."""
        about = not self.subject or entry.subject == self.subject or entry.trace in traces
        return about and (not self.who or entry.who == self.who) and self.kind in (None, entry.kind)

    def covers(self, entry: Entry) -> bool:
        """Whether it is young enough."""
        return (ms_of(entry.at) or 0) >= self.since_ms


@dataclass(frozen=True)
class Seen:
    """An entry as it is stored. `doubt` is "" or says why it may not be what was written."""

    entry: Entry
    doubt: str


@dataclass(frozen=True)
class Found:
    """Newest first. `unreadable` records hold nothing that is an entry; `cut`: there was more to read than may be."""

    seen: tuple[Seen, ...]
    unreadable: int = 0
    cut: bool = False


class Reader:
    """Reads for people. `keys` are those that are trusted, asked for anew each time."""

    def __init__(self, store: Store, keys: Callable[[], Keys]) -> None:
        self._store, self._keys = store, keys

    async def newest(self, wanted: Wanted) -> Found:
        """Up to `wanted.limit` of them. Raises `QueueAway`."""
        traces: frozenset[str] = frozenset()
        if wanted.subject:
            own = await self._search(wanted, frozenset())
            traces = frozenset(seen.entry.trace for seen in own.seen if seen.entry.trace and not seen.doubt)
        return await self._search(wanted, traces)

    async def _search(self, wanted: Wanted, traces: frozenset[str]) -> Found:
        keys, read, unreadable = self._keys(), 0, 0
        found: list[Record] = []
        for writer in await self._store.writers(wanted.since_ms):
            if len(found) == wanted.limit and writer.last_ms < _at(found[-1]):
                break
            mine = 0
            async for raw in self._back(writer.name, wanted.since_ms):
                read += 1
                if read > MOST_READ:
                    return Found(_seen(_newest(found, wanted.limit), keys), unreadable, cut=True)
                try:
                    one = record.read(raw)
                except Unsound:
                    unreadable += 1
                    continue
                if wanted.wants(one.entry, traces):
                    found.append(one)
                    mine += 1
                if mine == wanted.limit:
                    break
            found = _newest(found, wanted.limit)
        return Found(_seen(found, keys), unreadable)

    async def _back(self, writer: str, since_ms: int) -> AsyncIterator[bytes]:
        place = "+"
        while place:
            page, place = await self._store.back(writer, since_ms, place)
            for raw in page:
                yield raw


def _at(one: Record) -> int:
    return ms_of(one.entry.at) or 0


def _newest(found: list[Record], most: int) -> list[Record]:
    return sorted(found, key=_at, reverse=True)[:most]


def _seen(found: list[Record], keys: Keys) -> tuple[Seen, ...]:
    return tuple(Seen(one.entry, _doubt(one, keys)) for one in found)


def _doubt(one: Record, keys: Keys) -> str:
    try:
        record.check(one, keys)
    except Unsound as e:
        return str(e)
    return ""
