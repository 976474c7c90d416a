"""The kinds that fill the `Cluster` view: where the API has them, how they are read, under which key they are kept. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from workers.kubernetes import reading
from workers.kubernetes.errors import Malformed
from workers.kubernetes.fields import Json, mapping, sections, text
from workers.kubernetes.reading_pods import pod


@dataclass(frozen=True)
class Kind:
    """One kind. `name` is its field in `Cluster` and what `Staleness.kind` says; `group` is "" for the core group."""

    name: str
    group: str
    plural: str
    kind: str
    read: Callable[[Any], Any]
    namespaced: bool = True

    @property
    def path(self) -> str:
        """Where the API lists and watches all of them."""
        return f"/apis/{self.group}/v1/{self.plural}" if self.group else f"/api/v1/{self.plural}"

    def keyed(self, value: Any) -> tuple[Hashable, Any]:
        """The record of an object, after the key under which `Cluster` holds it. Raises `Malformed`."""
        record = self.read(value)
        return (record.key if self.namespaced else record.name), record


KINDS = (
    Kind("pods", "", "pods", "Pod", pod),
    Kind("nodes", "", "nodes", "Node", reading.node, namespaced=False),
    Kind("services", "", "services", "Service", reading.service),
    Kind("slices", "discovery.k8s.io", "endpointslices", "EndpointSlice", reading.endpoint_slice),
    Kind("replica_sets", "apps", "replicasets", "ReplicaSet", reading.replica_set),
)


def read_list(kind: Kind, value: Any) -> dict[Any, Any]:
    """The records of a list by their keys: a server's `PodList`, kubectl's `List` (other kinds in it are passed over).

    Raises `Malformed`, which names the object: also for what is no list of this kind, which is not the same as an empty one.
    """
    items = _items(kind, mapping(value))
    found = dict(_records(kind, items))
    if items and not found:
        raise Malformed("items", sorted({text(item, "kind") for item in items}), f"objects of kind {kind.kind}")
    return found


def _items(kind: Kind, said: Json) -> list[Json]:
    listed = text(said, "kind", "List")
    if listed not in ("List", f"{kind.kind}List"):
        raise Malformed("kind", listed, f"{kind.kind}List")
    if "items" not in said:
        raise Malformed("", dict(said), f"a list of {kind.plural}, in its field items")
    return sections(said, "items")


def _records(kind: Kind, items: list[Json]) -> Iterator[tuple[Hashable, Any]]:
    for index, item in enumerate(items):
        if text(item, "kind", kind.kind) != kind.kind:
            continue
        try:
            yield kind.keyed(item)
        except Malformed as e:
            raise Malformed.within(f"{kind.plural}, item {index}", e) from e
