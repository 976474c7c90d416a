"""One check, run for the person at the terminal: the cluster is listed once, the nodes are asked, everything is closed again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from workers.check import Check, View
from workers.cluster import list_once
from workers.enough import Enough
from workers.model import Report
from workers.nodes.nodes import Limits, Nodes
from workers.recording import Recording, record
from workers.runner import FromNodes
from workers.settings import Settings
from workers.ssh.connect import Ssh, SshSettings


async def look(
    settings: Settings,
    check: Check[Any, Any],
    params: object,
    namespace: str | None,
    asking: Callable[[frozenset[str]], None],
    enough: Enough | None = None,
) -> tuple[Report, Recording]:
    """The report, and what it was made from; `asking` hears who is asked, `enough` ends what is watched. Raises `UsageError`."""
    cluster = await list_once(settings.cluster, settings.kubeconfig)
    view = View(cluster, namespace or settings.namespace, now())
    nodes = nodes_of(settings)
    try:
        answers = FromNodes(nodes, f"t-{secrets.token_hex(6)}", settings.answer_seconds, asking, enough or Enough())
        return await record(check, params, view, answers, time.monotonic)
    finally:
        await nodes.aclose()


def nodes_of(settings: Settings) -> Nodes:
    """The nodes, reached as the settings say."""
    ssh = SshSettings(
        config=(settings.ssh_config,) if settings.ssh_config else (),
        known_hosts=settings.ssh_known_hosts,
        user=settings.ssh_user or "",
        key=settings.ssh_key,
        helper=settings.helper,
    )
    return Nodes(Ssh(ssh), Limits(asks_per_node=settings.asks_per_node))


def now() -> str:
    """The time, RFC 3339 in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
