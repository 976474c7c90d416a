"""What `rules` takes from end to end with ten thousand services in legacy iptables and in nftables; `budget` has iptables-nft."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks._busy_lab import load
from benchmarks._rows import Row
from benchmarks.budget import DUMPS, QUESTION, SECOND, TURNS, Look, asked
from deploy.lab.lab import Lab

_NODES = {"iptables-legacy": "node-one", "nftables": "node-two"}
_ASKED = {
    "rules-service": "rules SERVICE on a node with 10,000 services in {}",
    "memory": "the most memory of the helper for it",
    "dump-rules": "rules NODE with 10,000 services in {}",
    "dump-memory": "the most memory of the helper for it",
}
IDS = {f"budget-{backend}-{id_}": what.format(backend) for backend in _NODES for id_, what in _ASKED.items()}


def rows() -> Iterator[Row]:
    """Bring a lab up, fill one node after the other, and ask."""
    if os.geteuid() != 0:
        raise PermissionError("needs root: it starts the lab")
    with Lab() as lab:
        for backend, node in _NODES.items():
            load(lab.nodes[node], backend)
            service, memory, dump, most = (f"budget-{backend}-{id_}" for id_ in _ASKED)
            about = Look(service, IDS[service], f"rules hello-world on {node}", SECOND, TURNS)
            whole = Look(dump, IDS[dump], f"rules {node}", QUESTION, DUMPS)
            yield from asked(lab, (about,), node, memory, IDS[memory])
            yield from asked(lab, (whole,), node, most, IDS[most])
