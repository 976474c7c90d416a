"""One check, run on saved evidence for the person at the terminal. Neither the cluster nor a node is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from workers.check import Check, View
from workers.errors import UsageError
from workers.kubernetes.kinds import KINDS
from workers.model import Report
from workers.objects import Cluster
from workers.offline import saved_cluster
from workers.offline.answers import FromFolder
from workers.offline.folder import Folder
from workers.offline.source import OF_NODES
from workers.recording import Recording, record
from workers.settings import Settings


async def look(
    settings: Settings, check: Check[Any, Any], params: object, namespace: str | None, path: Path
) -> tuple[Report, Recording]:
    """The report as of when the files were saved, and what it was made from. Raises `UsageError`."""
    folder = Folder(path)
    wanted = [saved_cluster.file_of(kind) for kind in KINDS]
    if not folder.nodes(OF_NODES) and not any(folder.has(name) for name in wanted):
        raise UsageError(f"{path} holds no saved evidence: {', '.join(wanted)} are what `kubectl get … -A -o json` prints")
    cluster = saved_cluster.read(folder, settings.cluster)
    view = View(cluster, namespace or settings.namespace, cluster.as_of, saved=True)
    report, recording = await record(check, params, view, FromFolder(folder), time.monotonic)
    notes = (*report.shown.notes, f"From the files in {path}: nothing was asked.", *_passed_over(folder, cluster, report))
    return replace(report, shown=replace(report.shown, notes=notes)), recording


def _passed_over(folder: Folder, cluster: Cluster, report: Report) -> Iterator[str]:
    """Lists that are there, cannot be read and were not needed: whoever saved them should know."""
    said = {evidence.value for finding in report.findings for evidence in finding.evidence}
    for kind in KINDS:
        for behind in cluster.behind:
            if behind.kind == kind.name and folder.has(saved_cluster.file_of(kind)) and behind.reason not in said:
                yield f"Passed over: {behind.reason}. {behind.fix}"
