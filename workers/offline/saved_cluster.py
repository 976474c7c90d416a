"""The cluster out of `kubectl get -o json` lists: pods.json, nodes.json, services.json and their like, one file a kind.

The files that were saved of nodes say which nodes there are, too: those that nodes.json does not name are as much looked at as
those that it names. Without nodes.json the list itself stays unread; one that cannot be read leaves it not whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from node_helper.protocol import CannotLook
from workers.kubernetes import collecting
from workers.kubernetes.errors import Malformed
from workers.kubernetes.kinds import KINDS, Kind, read_list
from workers.objects import Cluster, EndpointSlice, Key, Node, Staleness
from workers.offline.folder import Folder
from workers.offline.source import OF_NODES


def file_of(kind: Kind) -> str:
    """The file that holds the objects of a kind."""
    return f"{kind.plural}.json"


def command(kind: Kind) -> str:
    """What prints that file."""
    return f"kubectl get {kind.plural} {'-A ' if kind.namespaced else ''}-o json"


def read(folder: Folder, name: str) -> Cluster:
    """The cluster; kinds whose file is missing or malformed are in `behind`, with the reason."""
    found = {kind: _read_or_not(folder, kind) for kind in KINDS}
    known: dict[str, Any] = {kind.name: said for kind, said in found.items() if not isinstance(said, Staleness)}
    behind = [said for said in found.values() if isinstance(said, Staleness)]
    of_files = _of_files(folder)
    if "nodes" in known:
        unnamed = [each for each in of_files if each not in known["nodes"]]
        behind += _zones_unknown(unnamed) if _hinted(known.get("slices", {})) else ()
    elif of_files and folder.has("nodes.json"):  # it was saved, so that it may name more than these
        behind = [replace(each, never=each.kind != "nodes") for each in behind]
    known["nodes"] = of_files | known.get("nodes", {})
    return Cluster(name, folder.saved_at(), **known, behind=tuple(behind))


def _of_files(folder: Folder) -> dict[str, Node]:
    return {each: Node(each, True, (), (), {}, "") for each in folder.nodes(OF_NODES)}  # noqa: FBT003  (nothing says that it is not ready)


def _hinted(slices: Mapping[Key, EndpointSlice]) -> bool:
    return any(e.hinted_zones for piece in slices.values() for e in piece.endpoints)


def _zones_unknown(nodes: list[str]) -> Iterator[Staleness]:
    """Where slices have hints, what a node should do depends on its zone, which only the list tells."""
    if nodes:
        reason = f"nodes.json does not name {', '.join(nodes)}, and EndpointSlices with hints need its zone of each node"
        yield Staleness("nodes", 0.0, reason, fix="Save as nodes.json all nodes, by the names that the other files have.")


def _read_or_not(folder: Folder, kind: Kind) -> dict[Any, Any] | Staleness:
    try:
        with collecting.put_off():
            return folder.parsed(file_of(kind), _reader(kind))
    except CannotLook as e:
        reason = e.reason if e.reason.startswith(file_of(kind)) else f"{file_of(kind)}: {e.reason}"
        fix = f"Save as {file_of(kind)} what `{command(kind)}` prints." if isinstance(e, Malformed) else e.fix
        return Staleness(kind.name, 0.0, reason, never=True, fix=fix)


@cache
def _reader(kind: Kind) -> partial[dict[Any, Any]]:
    return partial(_records, kind)


def _records(kind: Kind, text: str) -> dict[Any, Any]:
    """One object by itself, as kubectl prints it for one name, is a list of one."""
    said = json.loads(text)
    alone = isinstance(said, dict) and said.get("kind") == kind.kind
    return read_list(kind, {"items": [said]} if alone else said)
