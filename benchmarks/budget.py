"""A node with a million flows and more than a hundred thousand rules: what its questions take from end to end, over SSH.

Times are the report's own, with helpers that are warm; memory is that of the helpers, watched from outside.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks._busy_lab import NODE, Memory, busy_lab
from benchmarks._rows import Row, megabytes, milliseconds
from bot.commands import parse
from deploy.lab.lab import Lab
from workers.check import View
from workers.checks import catalogue
from workers.cluster import list_once
from workers.model import Report
from workers.nodes.nodes import Nodes
from workers.objects import Cluster
from workers.runner import FromNodes, run
from workers.ssh.connect import Ssh, SshSettings
from workers.terminal import now

_FLOWS = 1_000_000
IDS = {
    "budget-pod": "pod POD on a node with 1,000,000 flows and 110,000 rules, from end to end",
    "budget-conntrack-dst": "conntrack NODE dst=ADDRESS there; half a second of it is between two samples of the counters",
    "budget-rules-service": "rules SERVICE there",
    "budget-memory": "the most memory of the helper for these",
    "budget-dump-conntrack": "conntrack NODE there",
    "budget-dump-rules": "rules NODE there",
    "budget-dump-memory": "the most memory of the helper for the full dumps",
}
SECOND, QUESTION, _MB = 1000, 10_000, 150
TURNS, DUMPS = 5, 2


@dataclass(frozen=True)
class Look:
    """A question of the terminal, and how often it is asked; `what` it is, in its row."""

    id: str
    what: str
    words: str
    target: float
    turns: int


def rows() -> Iterator[Row]:
    """Bring such a lab up, and ask."""
    if os.geteuid() != 0:
        raise PermissionError("needs root: it starts the lab")
    with busy_lab(_FLOWS) as lab:
        pod = lab.find_pod("hello-world")
        assert pod.node == NODE
        questions = (
            Look("budget-pod", IDS["budget-pod"], f"pod {pod.spec.name}", SECOND, TURNS),
            Look("budget-conntrack-dst", IDS["budget-conntrack-dst"], f"conntrack {NODE} dst=198.18.0.7", SECOND, TURNS),
            Look("budget-rules-service", IDS["budget-rules-service"], f"rules hello-world on {NODE}", SECOND, TURNS),
        )
        dumps = (
            Look("budget-dump-conntrack", IDS["budget-dump-conntrack"], f"conntrack {NODE}", QUESTION, DUMPS),
            Look("budget-dump-rules", IDS["budget-dump-rules"], f"rules {NODE}", QUESTION, DUMPS),
        )
        yield from asked(lab, questions, NODE, "budget-memory", IDS["budget-memory"])
        yield from asked(lab, dumps, NODE, "budget-dump-memory", IDS["budget-dump-memory"])


def asked(lab: Lab, looks: tuple[Look, ...], node: str, memory: str, what: str) -> Iterator[Row]:
    """A row for each, and one for the most memory of the helpers while they were answered."""
    with Memory() as watched:
        yield from asyncio.run(_reports(lab, looks, node))
    also = f"; {watched.tools:.0f} MB of tools that it starts" if watched.tools else ""
    yield megabytes(memory, what + also, [watched.peak], _MB)


async def _reports(lab: Lab, looks: tuple[Look, ...], node: str) -> list[Row]:
    nodes, cluster = Nodes(Ssh(SshSettings(config=(lab.ssh_config,)))), await list_once("lab", lab.api.kubeconfig)
    try:
        await _report(nodes, cluster, f"node {node}")  # its helper is warm now
        return [await _row(nodes, cluster, look) for look in looks]
    finally:
        await nodes.aclose()


async def _row(nodes: Nodes, cluster: Cluster, look: Look) -> Row:
    reports = [await _report(nodes, cluster, look.words) for _ in range(look.turns)]
    unseen = [f"{f.claim}: {e.value}" for r in reports for f in r.findings if f.id.startswith("unknown-") for e in f.evidence]
    said = [note for note in reports[-1].shown.notes if "file" in note] if look.turns == DUMPS else []
    row = milliseconds(look.id, "; ".join((look.what, *said)), [r.took_s * 1000 for r in reports], look.target, "p50")
    return {**row, "met": False, "why": unseen[0]} if unseen else row


async def _report(nodes: Nodes, cluster: Cluster, words: str) -> Report:
    asked = parse(words, catalogue())
    view = View(cluster, "default", now())
    return await run(asked.entry, asked.params, view, FromNodes(nodes, "t-bench"), time.monotonic)
