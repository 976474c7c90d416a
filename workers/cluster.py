"""The cluster as the Kubernetes API has it: watched for as long as a worker runs, or listed once for the terminal.

Promised of a snapshot: it never changes; each kind in it is as of one version of its own, an instant apart from the others as
their watches deliver; and a kind that is not current is named in `behind`, with the reason.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node_helper.protocol import CannotLook
from workers.kubernetes import proxy_config
from workers.kubernetes.connection import Connection
from workers.kubernetes.errors import Expired
from workers.kubernetes.kinds import KINDS, Kind
from workers.kubernetes.listing import listed
from workers.kubernetes.watch import Patience, Watched
from workers.objects import Cluster, Staleness


class ClusterView:
    """Every kind, kept current from `start` to `aclose`. An API server that is away is waited for; nothing here raises for it."""

    def __init__(self, name: str, kubeconfig: Path | None = None, patience: Patience | None = None) -> None:
        """`kubeconfig` None: in-cluster configuration, else KUBECONFIG, else ~/.kube/config."""
        self._name = name
        self._connection = Connection(kubeconfig)
        self._watched = tuple(Watched(kind, self._connection, patience or Patience()) for kind in KINDS)
        self._proxy = proxy_config.Kept(self._connection)
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Begin to list and watch; does not wait."""
        watches = (asyncio.create_task(w.run(), name=f"watch {w.kind.name}") for w in self._watched)
        self._tasks = (*watches, asyncio.create_task(self._proxy.run(), name="kube-proxy's configuration"))

    async def ready(self, timeout: float) -> bool:  # noqa: ASYNC109  (False after it, no exception)
        """Wait until each kind was listed or refused, at most `timeout` seconds. False: the snapshot says which were not."""
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(*(w.settled.wait() for w in self._watched))
        except TimeoutError:
            return False
        return True

    def snapshot(self) -> Cluster:
        """The cluster now, from memory."""
        behind = tuple(b for w in self._watched if (b := w.behind()) is not None)
        objects: dict[str, Any] = {w.kind.name: w.objects() for w in self._watched}
        return Cluster(self._name, _now(), **objects, proxy_config=self._proxy.said, behind=behind)

    async def aclose(self) -> None:
        """End the watches and their connections.

        Connections are cut while the requests on them are cancelled: those would end TLS politely and wait for the server.
        """
        closing = asyncio.create_task(self._connection.aclose())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(closing, *self._tasks, return_exceptions=True)


async def list_once(name: str, kubeconfig: Path | None = None) -> Cluster:
    """The cluster, listed once; kinds that could not be listed are in `behind`, with the reason."""
    connection = Connection(kubeconfig)
    proxy = proxy_config.Kept(connection)
    try:
        *answers, _ = await asyncio.gather(*(_listed_or_not(connection, kind) for kind in KINDS), proxy.get())
    finally:
        await connection.aclose()
    known: dict[str, Any] = {kind.name: found for kind, found in zip(KINDS, answers, strict=True) if isinstance(found, dict)}
    behind = tuple(found for found in answers if isinstance(found, Staleness))
    return Cluster(name, _now(), **known, proxy_config=proxy.said, behind=behind)


async def _listed_or_not(connection: Connection, kind: Kind) -> dict[Any, Any] | Staleness:
    try:
        return (await listed(connection, kind))[1]
    except CannotLook as e:
        return Staleness(kind.name, 0.0, e.reason, never=True, fix=e.fix)
    except Expired as e:
        return Staleness(kind.name, 0.0, f"the list expired while it was read: {e}", never=True, fix="Run it again.")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
