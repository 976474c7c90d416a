"""Watches: the stream of events after a version (kubernetes.io, API Concepts, "Efficient detection of changes").

Without a version, or from version 0, the objects come first as ADDED events. The stream ends after `timeoutSeconds`; a watcher
that allows bookmarks gets one every so often and one at the end. An object that leaves a selector is DELETED for its watcher.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.lab.kubeapi.listing import number
from deploy.lab.kubeapi.resources import Resource
from deploy.lab.kubeapi.selectors import Matches, selector
from deploy.lab.kubeapi.status import RefusalError, expired, too_large
from deploy.lab.kubeapi.store import Api, Change, CompactedError, Store

_LONGEST_S = 1800
"""How long a server lets a watch run that asks for no timeout (kube-apiserver --min-request-timeout)."""


@dataclass(frozen=True)
class Wanted:
    """What one watch asked for; `since` is 0 for a start at the most recent version, with all objects first."""

    resource: Resource
    namespace: str
    matches: Matches
    since: int
    seconds: float
    bookmarks: bool


def wanted(resource: Resource, namespace: str, query: Mapping[str, str]) -> Wanted:
    """The watch that a request asks for. Raises `RefusalError`."""
    return Wanted(
        resource,
        namespace,
        selector(resource, query.get("labelSelector", ""), query.get("fieldSelector", "")),
        number(query, "resourceVersion"),
        number(query, "timeoutSeconds") or _LONGEST_S,
        query.get("allowWatchBookmarks") in ("true", "1"),
    )


class Watch:
    """One open watch of `store`. Entering it raises `RefusalError` where it cannot start at its version."""

    def __init__(self, store: Store, want: Wanted, bookmark_every: float) -> None:
        self._store = store
        self._want = want
        self._every = bookmark_every
        self._changes: asyncio.Queue[Change | RefusalError] = asyncio.Queue()
        self._seen = 0
        self._first: list[Api] = []
        self._loop = asyncio.get_running_loop()
        self._leave: Callable[[], None] = lambda: None

    def open(self) -> None:
        """Start to take note of changes; `close` ends that."""
        since = self._want.since
        if since > self._store.version:
            raise too_large(since, self._store.version)
        self._seen = since
        if not since:
            self._seen, self._first = self._store.at(self._want.resource)
        try:
            self._leave = self._store.subscribe(self._note, self._seen)
        except CompactedError as e:
            raise expired(str(e)) from e

    def close(self) -> None:
        """Take note no more."""
        self._leave()

    def fail(self, refusal: RefusalError) -> None:
        """End the stream with an ERROR event."""
        self._changes.put_nowait(refusal)

    async def lines(self) -> AsyncIterator[bytes]:
        """Each event as a line of JSON, until the watch has lasted long enough."""
        for obj in self._first:
            if self._selects(obj):
                yield _line("ADDED", obj)
        end = self._loop.time() + self._want.seconds
        while (left := end - self._loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, self._every)):
                    change = await self._changes.get()
            except TimeoutError:
                if self._want.bookmarks:
                    yield self._bookmark()
                continue
            if isinstance(change, RefusalError):
                yield _line("ERROR", change.body)
                return
            self._seen = change.version
            if line := self._event(change):
                yield line

    def _note(self, change: Change) -> None:
        """Called in any thread, in the order of the versions."""
        self._loop.call_soon_threadsafe(self._changes.put_nowait, change)

    def _event(self, change: Change) -> bytes:
        """The event as this watcher sees it, empty where it does not concern it."""
        if change.resource != self._want.resource:
            return b""
        was, now = self._selects(change.before), self._selects(change.after)
        if now and change.after is not None:
            return _line("MODIFIED" if was else "ADDED", change.after)
        if was and change.before is not None:
            last = change.after or change.before
            return _line("DELETED", {**last, "metadata": {**last["metadata"], "resourceVersion": str(change.version)}})
        return b""

    def _selects(self, obj: Api | None) -> bool:
        if obj is None or (self._want.namespace and obj["metadata"].get("namespace") != self._want.namespace):
            return False
        return self._want.matches(obj)

    def _bookmark(self) -> bytes:
        metadata = {"resourceVersion": str(self._seen), "creationTimestamp": None}
        resource = self._want.resource
        return _line("BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})


def _line(kind: str, obj: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
