"""The lab's Kubernetes objects, in the JSON form of the API, with one version for every change.

Objects are stored once and never changed in place: an edit stores a new one. So whoever holds one may keep it, from
any thread, and a watch can be resumed from any version.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy.lab.errors import LabError

Json = dict[str, Any]
Object = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One change: ``kind`` is ADDED, MODIFIED or DELETED, as a watch says it; ``version`` orders all changes."""

    kind: str
    resource: str
    object: Object
    version: int


Listener = Callable[[Change], None]


class Objects:
    """The store. ``resource`` is the plural of the API: ``pods``, ``endpointslices``; ``namespace`` is "" for nodes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stored: dict[tuple[str, str, str], Object] = {}
        self._changes: list[Change] = []
        self._listeners: list[Listener] = []

    @property
    def version(self) -> int:
        """The version of the last change; 0 before the first."""
        with self._lock:
            return self._changes[-1].version if self._changes else 0

    def list(self, resource: str, namespace: str | None = None) -> tuple[Sequence[Object], int]:
        """The objects by namespace and name, and the version at which this was so."""
        with self._lock:
            keys = sorted(k for k in self._stored if k[0] == resource and namespace in (None, k[1]))
            return [self._stored[key] for key in keys], self.version

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        """The object, or None where there is none."""
        with self._lock:
            return self._stored.get((resource, namespace, name))

    def put(self, resource: str, manifest: Object) -> Object:
        """Store the object under the name it carries; what a server fills in is filled in here."""
        with self._lock:
            key = (resource, manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])
            before = self._stored.get(key)
            version = self.version + 1
            stored = _completed(manifest, before, version)
            self._stored[key] = stored
            return self._tell(Change("MODIFIED" if before else "ADDED", resource, stored, version))

    def edit(self, resource: str, namespace: str, name: str, change: Callable[[Json], None]) -> Object:
        """Store a copy that ``change`` was applied to. Raises :class:`LabError` where there is no such object."""
        with self._lock:
            draft = copy.deepcopy(dict(self._existing(resource, namespace, name)))
            change(draft)
            return self.put(resource, draft)

    def delete(self, resource: str, namespace: str, name: str) -> Object:
        """Remove the object. Raises :class:`LabError` where there is no such object."""
        with self._lock:
            gone = copy.deepcopy(dict(self._existing(resource, namespace, name)))
            del self._stored[(resource, namespace, name)]
            version = self.version + 1
            gone["metadata"]["resourceVersion"] = str(version)
            return self._tell(Change("DELETED", resource, gone, version))

    def since(self, version: int) -> Sequence[Change]:
        """Every change after ``version``, oldest first."""
        with self._lock:
            return [change for change in self._changes if change.version > version]

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` at every change, in the thread that makes it and in order; the answer ends that."""
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _existing(self, resource: str, namespace: str, name: str) -> Object:
        found = self._stored.get((resource, namespace, name))
        if found is None:
            raise LabError(f"the lab has no {resource} {namespace}/{name}")
        return found

    def _tell(self, change: Change) -> Object:
        self._changes.append(change)
        for listener in tuple(self._listeners):
            listener(change)
        return change.object


def _completed(manifest: Object, before: Object | None, version: int) -> Object:
    stored = copy.deepcopy(dict(manifest))
    known = before["metadata"] if before else {}
    metadata = stored["metadata"]
    metadata.setdefault("uid", known.get("uid") or str(uuid.uuid4()))
    metadata.setdefault("creationTimestamp", known.get("creationTimestamp") or timestamp(datetime.now(UTC)))
    metadata["resourceVersion"] = str(version)
    return stored


def timestamp(moment: datetime) -> str:
    """RFC 3339 in whole seconds, as the API writes ``metav1.Time``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
