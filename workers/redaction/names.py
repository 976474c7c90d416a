"""Every name that a report could say of a cluster, of its facts or of its command, to be kept from who must not read it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workers.objects import Cluster, Labels

Names = dict[str, str]
"""Kind by name, in lower case."""
COMMON = frozenset(
    [
        "default",
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "kubernetes",
        "kube-dns",
        "true",
        "false",
        "linux",
        "amd64",
        "arm64",
        "none",
        "any",
        "all",
        "tcp",
        "udp",
        "sctp",
    ]
)
"""Names that every cluster has, and words: where they are no pod's and no node's they say nothing."""
_TOLD = re.compile(r"pod|node|service|namespace|host|owner|workload|target|client|server", re.IGNORECASE)
_NOT_TOLD = re.compile(r"interface|port|protocol|backend|runtime|kernel|reason", re.IGNORECASE)
_PARTS = re.compile(r"[/,=:\s]+")
_ADDRESS = re.compile(r"[0-9.]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_KINDS = frozenset(["po", "pod", "pods", "no", "node", "nodes", "svc", "service", "services", "deploy", "rs", "sts", "ds", "job"])
_SHORTEST = 3
_DEEPEST = 20


def of_cluster(cluster: Cluster) -> Names:
    """Pods, nodes, services, namespaces, workloads, and what their labels say; a name of several kinds is that of the last."""
    found: Names = {}
    _add(found, "name", (value for labels in _labels(cluster) for value in labels.values()))
    _add(found, "name", (c.name for pod in cluster.pods.values() for c in pod.containers))
    _add(found, "app", (rs.name for rs in cluster.replica_sets.values()))
    _add(found, "app", (o.owner.name for os in (cluster.pods, cluster.replica_sets) for o in os.values() if o.owner))
    _add(found, "name", (name for s in cluster.slices.values() for name in (s.name, s.service)))
    _add(found, "ns", (key[0] for os in (cluster.pods, cluster.services, cluster.slices, cluster.replica_sets) for key in os))
    _add(found, "svc", (name for s in cluster.services.values() for name in (s.name, s.external_name)))
    _add(
        found,
        "name",
        (name for s in cluster.slices.values() for e in s.endpoints for name in (e.node, e.pod, *e.hinted_nodes)),
        (),
    )
    _add(found, "pod", (pod.name for pod in cluster.pods.values()), ())
    _add(found, "node", (name for node in cluster.nodes.values() for name in (node.name, *node.addresses)), ())
    _add(found, "node", (pod.node for pod in cluster.pods.values()), ())
    return found


def of_facts(facts: Mapping[str, Any]) -> Names:
    """What stands under keys that hold names, and such keys themselves (`nodes` has an entry for each)."""
    found: Names = {}
    _add(found, "name", _told(facts, "", 0))
    return found


def of_words(words: Mapping[str, str], but: Iterable[str] = ()) -> Names:
    """What a command says, apart from words that it may choose from."""
    said = (part for text in words.values() for part in _PARTS.split(text) if len(part) >= _SHORTEST and not part.isdecimal())
    found: Names = {}
    _add(found, "name", said, (*COMMON, *_KINDS, *but))
    return found


def _add(found: Names, kind: str, names: Iterable[str], but: Iterable[str] = COMMON) -> None:
    """Addresses are no names: they are known by their shape."""
    kept_out = frozenset(but)
    found.update({name.lower(): kind for name in names if name.lower() not in kept_out and not _ADDRESS.fullmatch(name)})


def _labels(cluster: Cluster) -> Iterator[Labels]:
    yield from (pod.labels for pod in cluster.pods.values())
    yield from (node.labels for node in cluster.nodes.values())
    yield from (service.selector for service in cluster.services.values())


def _told(value: object, under: str, depth: int) -> Iterator[str]:
    """What stands in the value, if the key that it stands under is one for names; a mere `name` is of its object's kind."""
    told = bool(_TOLD.search(under)) and not _NOT_TOLD.search(under)
    if isinstance(value, str) and told:
        yield from (part for part in _PARTS.split(value) if len(part) >= _SHORTEST and not part.isdecimal())
    elif isinstance(value, Mapping) and depth < _DEEPEST:
        if told and all(inner is None or isinstance(inner, Mapping | list | tuple) for inner in value.values()):
            yield from map(str, value)
        for key, inner in value.items():
            yield from _told(inner, under if key == "name" else str(key), depth + 1)
    elif isinstance(value, list | tuple) and depth < _DEEPEST:
        for inner in value:
            yield from _told(inner, under, depth + 1)
