"""One kind kept current: listed once, then watched from that version on (kubernetes.io, API Concepts).

A watch that ends is resumed from the last version seen, bookmarks included; only where the server no longer knows that version
(410) the kind is listed again. Until then, and while the API is away, the last known objects stay.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import structlog

from node_helper.protocol import CannotLook
from workers.kubernetes.connection import Connection, parsed
from workers.kubernetes.errors import ApiTrouble, Expired
from workers.kubernetes.fields import mapping, number, required, section, text
from workers.kubernetes.kinds import Kind
from workers.kubernetes.listing import listed
from workers.objects import Staleness

log = structlog.get_logger(__name__)

_GRACE_S = 2.0
"""A watch that ended as it should is resumed within this time, and nobody calls that stale."""
_BREATH = 64
"""Events that are taken in a row before other tasks get their turn."""


@dataclass(frozen=True)
class Patience:
    """How long things may take, in seconds; the pauses between attempts double from `first` to `longest`, with jitter.

    The server ends a watch after `watch` to twice that. It sends bookmarks about every minute, so a connection on which
    nothing came for `quiet` is taken for dead and resumed.
    """

    first: float = 0.5
    longest: float = 30.0
    watch: float = 300.0
    quiet: float = 90.0


class Watched:
    """The objects of one kind. `settled` is set once they have been listed, or it is certain that we may not."""

    def __init__(self, kind: Kind, connection: Connection, patience: Patience) -> None:
        self.kind = kind
        self.settled = asyncio.Event()
        self._connection = connection
        self._patience = patience
        self._objects: dict[Any, Any] = {}
        self._frozen: Mapping[Any, Any] | None = None
        self._version = ""
        self._listed = False
        self._heard = time.monotonic()
        self._lost_at: float | None = self._heard
        self._reason = "it is still being listed"
        self._fix = ""
        self._pause = patience.first

    def objects(self) -> Mapping[Any, Any]:
        """As they are now; what was given out never changes. Costs a copy after a change, nothing without."""
        if self._frozen is None:
            self._frozen = MappingProxyType(dict(self._objects))
        return self._frozen

    def behind(self) -> Staleness | None:
        """Since when this kind is not current, and why; None while it is."""
        now = time.monotonic()
        if self._lost_at is None or (self._listed and not self._reason and now - self._lost_at < _GRACE_S):
            return None
        reason = self._reason or "its watch is being resumed"
        return Staleness(self.kind.name, now - self._lost_at, reason, never=not self._listed, fix=self._fix)

    async def run(self) -> None:
        """Keep it current, for ever."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Expired as e:
                log.info("kubernetes_relist", kind=self.kind.name, reason=str(e))
                self._lose("")
            except ApiTrouble as e:
                self._trouble(e, self._version)
            except CannotLook as e:
                self._trouble(e, "")
            except Exception as e:
                # A watch that died unseen would show old objects as current ones.
                log.exception("kubernetes_watch_failed", kind=self.kind.name)
                self._trouble(CannotLook(f"netcheck failed to read it: {e!r}", kind="bug", fix="See the worker's log."), "")
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311  (jitter, no secret)

    async def _list(self) -> None:
        version, objects = await listed(self._connection, self.kind)
        self._version, self._objects, self._frozen = version, objects, None
        self._listed = True
        self._current()

    async def _watch(self) -> None:
        """Take events until the stream ends, as it does by itself after a while."""
        lasts = int(random.uniform(1, 2) * self._patience.watch)  # noqa: S311  (so that not all watches end at once)
        query: dict[str, str | int] = {
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": max(1, lasts),
        }
        began = time.monotonic()
        async with self._connection.lines(self.kind.path, query, self._patience.quiet) as lines:
            self._current()
            taken = 0
            async for line in lines:
                self._take(line)
                taken += 1
                if taken % _BREATH == 0:
                    await asyncio.sleep(0)
        self._lost_at = time.monotonic()
        self._pause = 0.0 if self._lost_at - began > self._patience.first else self._patience.first

    def _take(self, line: bytes) -> None:
        """One event. Raises `Expired`, `ApiTrouble`, `Malformed`."""
        self._heard = time.monotonic()
        event = mapping(parsed(line))
        obj = section(event, "object")
        said = text(event, "type")
        if said == "ERROR":
            raise _told(obj)
        if said in ("ADDED", "MODIFIED"):
            key, record = self.kind.keyed(obj)
            self._objects[key] = record
        elif said == "DELETED":
            self._objects.pop(self.kind.keyed(obj)[0], None)
        self._frozen = self._frozen if said == "BOOKMARK" else None
        self._version = required(section(obj, "metadata"), "resourceVersion")

    def _current(self) -> None:
        if self._reason:
            log.info("kubernetes_current", kind=self.kind.name, version=self._version)
        self._heard = time.monotonic()
        self._lost_at, self._reason, self._fix, self._pause = None, "", "", self._patience.first
        self.settled.set()

    def _trouble(self, error: CannotLook, resume_at: str) -> None:
        if self._reason != error.reason:
            log.warning("kubernetes_behind", kind=self.kind.name, reason=error.reason, fix=error.fix)
        if error.kind == "denied":
            self.settled.set()
        self._lose(error.reason, error.fix, resume_at)
        self._pause = min(self._pause * 2 or self._patience.first, self._patience.longest)

    def _lose(self, reason: str, fix: str = "", resume_at: str = "") -> None:
        """Not current any more; without a version to resume at, the next thing is a list."""
        self._version = resume_at
        self._lost_at = self._heard if self._lost_at is None else self._lost_at
        self._reason, self._fix = reason, fix


def _told(status: Mapping[str, Any]) -> Exception:
    """What an ERROR event says; 410 is the usual one."""
    message = text(status, "message")[:300]
    if number(status, "code") == 410:  # noqa: PLR2004  (Gone)
        return Expired(message)
    return ApiTrouble(f"the API server ended the watch: {message}", kind="unreachable")
