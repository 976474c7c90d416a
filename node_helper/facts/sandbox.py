"""Where a pod lives on this node: its runtime, its sandbox, the process and the network namespace that stand for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from node_helper.kernel import Kernel, Netns, Process
from node_helper.protocol import Fact


@dataclass(frozen=True)
class Query:
    """The pod by its UID; `config_hash` is the annotation kubernetes.io/config.hash of static pods, which stands in their cgroups."""

    uid: str
    name: str
    namespace: str
    host_network: bool = False
    config_hash: Optional[str] = None


@dataclass(frozen=True)
class Attempt:
    """One sandbox that the runtime lists for the pod; `state` is ready, stopped or unknown; `pid` 0 where there is none."""

    id: str
    state: str
    attempt: int
    pid: int


@dataclass(frozen=True)
class Sandbox:
    """`runtime` is docker, containerd, cri-o or unknown; `id` the sandbox container's; `pid` the sandbox's process (pause), the pod's
    earliest process where the runtime has no pause, None without a process.

    `netns` is None where no namespace of its own could be found, and the node's own for a pod on the host network; `host_network` is what
    was seen, not what was asked. `state` is ready, stopped, no-process or absent. `processes` counts those seen in the pod's cgroups.
    `sources` names the files and paths that say so.
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
    """Look at the runtime's own state, then at the cgroups of every process."""
    raise NotImplementedError


FACT = Fact(name="sandbox", query=Query, answer=Sandbox, collect=collect)
