"""The audit as plain commands see it: what they did is noted, what everybody did can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workers.audit.entry import Kind
from workers.audit.reading import Found, Reader, Wanted


@dataclass(frozen=True)
class Records:
    """`note` adds an entry about the person who asks: what happened, to which job or approval, and words about it."""

    note: Callable[[Kind, str, Mapping[str, str]], None]
    reader: Reader

    async def newest(self, wanted: Wanted) -> Found:
        """The newest entries. Raises `QueueAway`."""
        return await self.reader.newest(wanted)
