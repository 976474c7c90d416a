"""The cluster view in tests: impatient, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workers.cluster import ClusterView
from workers.kubernetes.kinds import KINDS
from workers.kubernetes.watch import Patience
from workers.objects import Cluster, Staleness

QUICK = Patience(first=0.02, longest=0.1)
ALL = {kind.name for kind in KINDS}


async def until(view: ClusterView, holds: Callable[[Cluster], object]) -> Cluster:
    """The first snapshot of which this is true."""
    async with asyncio.timeout(20):
        while not holds(snapshot := view.snapshot()):  # noqa: ASYNC110  (the view has no event to wait for)
            await asyncio.sleep(0.01)
    return snapshot


def lagging(cluster: Cluster) -> dict[str, Staleness]:
    return {b.kind: b for b in cluster.behind}
