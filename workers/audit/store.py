"""The chains in Redis: a stream a writer, its ids made of time and number, so that Redis itself keeps the order and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workers.audit.entry import ms_of
from workers.audit.errors import AuditAway
from workers.audit.lines import Head
from workers.audit.record import Record
from workers.queue.keys import Keys
from workers.queue.server import Server

_PAGE = 1000
_DAY_S = 86400
_FIELD = b"r"


@dataclass(frozen=True)
class Writer:
    """Who wrote, and when last (milliseconds since 1970)."""

    name: str
    last_ms: int


class Store:
    """The audit of one installation. What is read here was not verified. Everything raises `QueueAway`."""

    def __init__(self, server: Server, keys: Keys, keep_days: int) -> None:
        self._server, self._keys, self.keep_days = server, keys, keep_days

    async def append(self, writer: str, records: Sequence[Record]) -> None:
        """Adds them to the chain; doing it twice is once. Raises `AuditAway` where the stored chain is not what was appended."""
        pairs = [word for one in records for word in (_place(one.entry.at, one.entry.seq), one.dumps())]
        chain, at = self._keys.audit(writer), ms_of(records[-1].entry.at) or 0
        said = await self._server.run(
            "audit", (chain, self._keys.audit_writers), writer, at, self.keep_days * _DAY_S, *pairs
        )  # fmt: skip
        if said != b"ok":
            raise AuditAway(f"the chain {writer} in Redis takes no more: {said.decode('utf-8', 'replace')}")

    async def writers(self, since_ms: int = 0) -> tuple[Writer, ...]:
        """Those who wrote since then, the latest first."""
        found = await self._server.command(
            "ZRANGE", self._keys.audit_writers, "+inf", since_ms, "BYSCORE", "REV", "WITHSCORES"
        )  # fmt: skip
        pairs = found if not found or isinstance(found[0], (tuple, list)) else list(zip(found[::2], found[1::2], strict=True))
        return tuple(Writer(name.decode("utf-8", "replace"), int(float(score))) for name, score in pairs)

    async def chain(self, writer: str, start: Head | None = None) -> list[bytes]:
        """The stored records in their order, from the first or from that of a head on."""
        place = _place(start.at, start.seq) if start else "-"
        found: list[bytes] = []
        while page := await self._server.command("XRANGE", self._keys.audit(writer), place, "+", "COUNT", _PAGE):
            found += [_record(fields) for _, fields in page]
            place = f"({page[-1][0].decode()}"
        return found

    async def last(self, writer: str) -> bytes | None:
        """The last stored record."""
        page = await self._server.command("XREVRANGE", self._keys.audit(writer), "+", "-", "COUNT", 1)
        return _record(page[0][1]) if page else None

    async def back(self, writer: str, since_ms: int, before: str = "+", count: int = _PAGE) -> tuple[list[bytes], str]:
        """Up to `count` records, the newest first, and where to go on; "" where there are no more."""
        page = await self._server.command("XREVRANGE", self._keys.audit(writer), before, since_ms, "COUNT", count)
        more = f"({page[-1][0].decode()}" if len(page) == count else ""
        return [_record(fields) for _, fields in page], more


def _place(at: str, seq: int) -> str:
    return f"{ms_of(at) or 0}-{seq}"


def _record(fields: Any) -> bytes:
    """Whatever somebody wrote as an entry."""
    return bytes((fields or {}).get(_FIELD, b""))
