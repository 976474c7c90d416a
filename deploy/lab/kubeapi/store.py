"""API objects in their JSON form, versioned as etcd versions them: one counter for all, and a bounded history of changes."""

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy.lab.kubeapi.resources import Resource, of_kind

Api = Mapping[str, Any]
Objects = list[Api]
_HISTORY = 10_000


@dataclass(frozen=True)
class Change:
    """What one version changed; `before` is None for a new object, `after` for a deleted one."""

    version: int
    resource: Resource
    before: Api | None
    after: Api | None


Listener = Callable[[Change], None]


class CompactedError(Exception):
    """The changes since that version are no longer known."""


class Store:
    """The objects, safe to use from any thread. Objects that were given out are never changed, only replaced."""

    def __init__(self, history: int = _HISTORY) -> None:
        """`history` is how many changes are kept for watches that resume."""
        self._lock = threading.RLock()
        self._objects: dict[Resource, dict[tuple[str, str], Api]] = {}
        self._history: deque[Change] = deque(maxlen=history)
        self._version = self._compacted = 1
        self._listeners: list[Listener] = []

    @property
    def version(self) -> int:
        """The newest version."""
        return self._version

    def put(self, given: Api) -> Api:
        """Create or replace an object, as it stands in a manifest; returns it with version, uid and creation time.

        An object that says nothing new keeps its version. Raises `UnknownResourceError`.
        """
        resource = of_kind(given["kind"])
        obj = json.loads(json.dumps(given))
        with self._lock:
            key = _key(obj)
            before = self._objects.setdefault(resource, {}).get(key)
            _complete(obj, before)
            if before is not None and before == obj:
                return before
            obj["metadata"]["resourceVersion"] = str(self._version + 1)
            self._objects[resource][key] = obj
            self._record(resource, before, obj)
        return obj  # type: ignore[no-any-return]  # json.loads has no better type

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Remove an object. Raises `KeyError` where it is not there."""
        resource = of_kind(kind)
        with self._lock:
            before = self._objects.get(resource, {}).pop((namespace, name))
            self._record(resource, before, None)

    def get(self, kind: str, name: str, namespace: str = "") -> Api | None:
        """One object, None where it is not there."""
        return self._objects.get(of_kind(kind), {}).get((namespace, name))

    def list(self, kind: str) -> Objects:
        """The objects of a kind, sorted by namespace and name."""
        return self.at(of_kind(kind))[1]

    def at(self, resource: Resource) -> tuple[int, Objects]:
        """The newest version and the objects at it, sorted by namespace and name."""
        with self._lock:
            objects = self._objects.get(resource, {})
            return self._version, [objects[key] for key in sorted(objects)]

    def subscribe(self, listener: Listener, since: int | None = None) -> Callable[[], None]:
        """Tell `listener` of each change from now on, or after version `since`; the answer ends it.

        It is called in the thread of whoever makes the change, with the store locked: it must only take note.
        Raises `CompactedError` where changes after `since` were forgotten.
        """
        with self._lock:
            if since is not None and since < self._compacted:
                raise CompactedError(f"too old resource version: {since} ({self._compacted})")
            for change in self._history:
                if since is not None and change.version > since:
                    listener(change)
            self._listeners.append(listener)
        return lambda: self._unsubscribe(listener)

    def compact(self) -> None:
        """Forget all changes, and count one version more as some other object's change would: every known version is too old."""
        with self._lock:
            self._version += 1
            self._compacted = self._version
            self._history.clear()

    def _unsubscribe(self, listener: Listener) -> None:
        with self._lock, suppress(ValueError):
            self._listeners.remove(listener)

    def _record(self, resource: Resource, before: Api | None, after: Api | None) -> None:
        self._version += 1
        change = Change(self._version, resource, before, after)
        if len(self._history) == self._history.maxlen:
            self._compacted = self._history[0].version
        self._history.append(change)
        for listener in tuple(self._listeners):
            listener(change)


def _key(obj: Api) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _complete(obj: dict[str, Any], before: Api | None) -> None:
    """Give it what the API server adds: an object keeps its uid and creation time when it is replaced."""
    old = before["metadata"] if before else {}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = obj["metadata"]
    metadata.setdefault("uid", old.get("uid") or str(uuid.uuid4()))
    metadata.setdefault("creationTimestamp", old.get("creationTimestamp") or now)
    metadata["resourceVersion"] = old.get("resourceVersion", "")
    obj["apiVersion"] = of_kind(obj["kind"]).api_version
