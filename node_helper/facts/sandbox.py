"""Where a pod lives on this node: its runtime, its sandbox, the process and the network namespace that stand for it.

The runtime's own state comes first; the cgroups of the node's processes verify it, and fill in where it says nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import Fact
from node_helper.runtime import find
from node_helper.runtime.listed import Pod

UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
"""What a pod's UID is made of, so that it can stand in a path."""


@dataclass(frozen=True)
class Query:
    """The pod by its UID; `config_hash` is the annotation kubernetes.io/config.hash of static pods: their cgroups carry it."""

    uid: str
    name: str
    namespace: str
    host_network: bool = False
    config_hash: Optional[str] = None

    def __post_init__(self) -> None:
        for uid in (self.uid, self.config_hash):
            if uid is not None and not UID.fullmatch(uid):
                raise ValueError(f"{uid[:80]!r} is no UID of a pod")


@dataclass(frozen=True)
class Attempt:
    """One sandbox that the runtime lists for the pod; `state` is ready, stopped or unknown; `pid` 0 where there is none.

    A sandbox whose process is gone counts as stopped. containerd tells attempts through crictl only: without it they are 0.
    """

    id: str
    state: str
    attempt: int
    pid: int


@dataclass(frozen=True)
class Sandbox:
    """The place of a pod on its node.

    `runtime` is docker, containerd, cri-o or unknown; `id` is the sandbox container's; `pid` is the sandbox's process (pause),
    the pod's earliest process where the runtime has no pause, None without a process. `netns` is None where no namespace of its
    own could be found, and the node's own on the host network; `host_network` is what was seen, not what was asked. `state` is
    ready, stopped, no-process or absent. `processes` counts those seen in the pod's cgroups. `sources` names the files and
    paths that say so.
    """

    runtime: str
    id: Optional[str]
    pid: Optional[int]
    netns: Optional[Netns]
    host_network: bool
    state: str
    processes: int
    sources: tuple[str, ...]
    attempts: tuple[Attempt, ...] = ()


def collect(kernel: Kernel, query: Query) -> Sandbox:
    """Find it. `CannotLook` of kind ``missing`` for a pod inside a virtual machine or a user-space kernel."""
    uids = tuple(dict.fromkeys(uid for uid in (query.uid, query.config_hash) if uid))
    found = find.place(kernel, Pod(query.name, query.namespace, uids), on_host=query.host_network)
    return Sandbox(
        runtime=found.runtime,
        id=found.chosen.id if found.chosen else None,
        pid=found.pid,
        netns=found.netns,
        host_network=found.host_network,
        state=found.state,
        processes=found.processes,
        sources=found.sources,
        attempts=tuple(Attempt(one.id, one.state, one.attempt, one.pid) for one in found.listed),
    )


FACT = Fact(name="sandbox", query=Query, answer=Sandbox, collect=collect)
