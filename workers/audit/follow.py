"""Whether a chain goes on from where it was seen last. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from workers.audit import record
from workers.audit.keys import Keys
from workers.audit.lines import Head, head_of
from workers.audit.record import Record, Unsound
from workers.audit.verify import Clock


def follow(stored: Sequence[bytes], seen: Head | None, keys: Keys, clock: Clock) -> tuple[Head | None, str]:
    """How far a chain goes that was `seen` before, read from there on; and what is wrong with it, "" for nothing."""
    before = None
    for raw in stored:
        try:
            one = record.read(raw)
            record.check(one, keys)
        except Unsound as e:
            return None, f"a record {e}"
        fault = _goes_on(before, one) if before else _begins(one, seen, clock)
        if fault:
            return None, f"entry {one.entry.seq} {fault}"
        before = one
    return (head_of(before) if before else None), ""


def _goes_on(before: Record, one: Record) -> str:
    entry = one.entry
    follows = entry.seq == before.entry.seq + 1 and entry.previous == before.digest and entry.writer == before.entry.writer
    return "" if follows else "does not follow from the one before it"


def _begins(one: Record, seen: Head | None, clock: Clock) -> str:
    """The first that is read: the one seen last, the first of all, or the oldest that is not forgotten."""
    head = head_of(one)
    if head == (seen.bare if seen else None) or (seen is None and head.seq == 1 and not one.entry.previous):
        return ""
    if seen is not None and head.seq <= seen.seq:
        return "is not what it was"
    return "" if clock.expired(seen or head) else "is the first that is left"
