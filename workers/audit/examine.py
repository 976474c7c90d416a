"""The whole audit of an installation, read and proved; or an export of it, which needs no Redis. I/O."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node_helper import codec
from workers.audit import opening, record
from workers.audit.entry import Entry, canonical
from workers.audit.lines import Sunk
from workers.audit.reading import Wanted
from workers.audit.record import Record, Unsound
from workers.audit.store import Store
from workers.audit.verify import Clock, Verdict, What, verify
from workers.errors import UsageError
from workers.settings import Shared

_DAY_MS = 86_400_000
Chains = Mapping[str, Sequence[bytes]]


@dataclass(frozen=True)
class Examined:
    """`sink`: what was compared with, None where there was none, so that nobody can tell whether something was cut off."""

    verdict: Verdict
    sink: Sunk | None

    @property
    def good(self) -> bool | None:
        """None where it cannot be told."""
        if self.verdict.problems:
            return False
        return None if self.sink is None or not self.sink.keys or self.empty else True

    @property
    def empty(self) -> bool:
        """Whether neither the chains nor the sink know of any entry: none was made, or all were taken out of both."""
        known = self.verdict.entries or self.verdict.problems or self.verdict.expired
        return not known and not (self.sink and (self.sink.heads or self.sink.seals))

    @property
    def nothing(self) -> bool:
        """Whether nothing suggests that there ever was an entry: not even a line that nobody can read or another's."""
        return self.empty and not (self.sink and (self.sink.unreadable or self.sink.others))


@dataclass(frozen=True)
class Against:
    """What to compare with: files that have lines of the sink, and one of public keys; the settings' own without."""

    sinks: tuple[Path, ...] = ()
    keys: Path | None = None


async def stored(settings: Shared, store: Store, against: Against) -> Examined:
    """What is in Redis. The sink is read first: what it has must be there. Raises `QueueAway`, `UsageError`."""
    sink = _sink(settings, against)
    names = {writer.name for writer in await store.writers()} | _writers(sink)
    chains = {name: await store.chain(name) for name in sorted(names)}
    return _examined(settings, {name: chain for name, chain in chains.items() if chain}, sink, against)


def unstored(settings: Shared, against: Against) -> Examined:
    """Where there is no Redis: the sink may know that there was one. Raises `UsageError`."""
    return _examined(settings, {}, _sink(settings, against), against)


def exported(settings: Shared, file: Path, against: Against) -> Examined:
    """What an export holds. Raises `UsageError` for a file that is none."""
    return _examined(settings, _chains(file), _sink(settings, against), against)


def line(raw: bytes) -> str:
    """A stored record as a line of an export: what was signed, and by which key."""
    try:
        one = record.read(raw)
    except Unsound as e:
        return json.dumps({"unreadable": base64.b64encode(raw).decode("ascii"), "why": str(e)})
    return json.dumps({"entry": codec.encode(one.entry), "key": one.key, "signature": one.signature})


def selected(raws: Iterable[bytes], wanted: Wanted) -> Iterator[bytes]:
    """Those that somebody wants; what cannot be read is always among them."""
    for raw in raws:
        try:
            entry = record.read(raw).entry
        except Unsound:
            yield raw
            continue
        if wanted.wants(entry) and wanted.covers(entry):
            yield raw


def _examined(settings: Shared, chains: Chains, sink: Sunk | None, against: Against) -> Examined:
    pinned = opening.pinned(settings, against.keys)
    keys = pinned if pinned is not None else sink.keys if sink else opening.known_keys(settings)
    clock = Clock(opening.now_ms(), settings.audit_keep_days * _DAY_MS)
    verdict = verify(chains, sink or Sunk(), keys, clock)
    if sink is None:
        seen = tuple(problem for problem in verdict.problems if problem.what is not What.UNSEALED)
        verdict = Verdict(seen, verdict.entries, verdict.sealed, verdict.unsealed, verdict.expired)
    return Examined(verdict, sink)


def _sink(settings: Shared, against: Against) -> Sunk | None:
    missing = [str(path) for path in against.sinks if not path.is_file()]
    if missing:
        raise UsageError(f"there is no file {', '.join(missing)}")
    return opening.sunk(settings, against.sinks, opening.pinned(settings, against.keys))


def _writers(sink: Sunk | None) -> set[str]:
    if sink is None:
        return set()
    return {head.writer for head in sink.heads} | {head.writer for seal in sink.seals for head in seal.heads}


def _chains(file: Path) -> dict[str, list[bytes]]:
    chains: dict[str, list[bytes]] = {}
    try:
        exported = file.read_text("utf-8", "replace")
    except OSError as e:
        raise UsageError(f"{file}: cannot be read: {e.strerror}") from e
    for number, text in enumerate(exported.splitlines(), 1):
        try:
            said = json.loads(text)
            raw, writer = _raw(said)
        except (ValueError, KeyError, TypeError, RecursionError) as e:
            raise UsageError(f"{file}: line {number} is none of an export of the audit") from e
        chains.setdefault(writer, []).append(raw)
    return chains


def _raw(said: Mapping[str, str]) -> tuple[bytes, str]:
    if "unreadable" in said:
        return base64.b64decode(said["unreadable"], validate=True), ""
    entry = codec.decode(Entry, said["entry"])
    return Record(str(said["key"]), str(said["signature"]), entry, canonical(entry)).dumps(), entry.writer
