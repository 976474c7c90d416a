"""What the lab asks of a container runtime, and what it is told; the kubelet's part is played in these words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Port:
    """A port that a container declares; ``protocol`` is TCP or UDP."""

    name: str
    number: int
    protocol: str = "TCP"


@dataclass(frozen=True)
class PodSpec:
    """A pod with one container, as the scheduler hands it to a node."""

    name: str
    namespace: str
    uid: str
    container: str
    image: str
    command: Sequence[str]
    labels: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    nameservers: Sequence[str] = ()
    searches: Sequence[str] = ()
    mounts: Mapping[str, str] = field(default_factory=dict)  # path on the node -> path in the container, read-only
    ports: Sequence[Port] = ()
    attempt: int = 0  # how many sandboxes the pod had before this one


@dataclass(frozen=True)
class PodFacts:
    """What the runtime says of a running pod: the oracle for what a check finds out by other means.

    ``pid`` is the sandbox's, ``container_pid`` the container's first process, both as the node counts them.
    """

    spec: PodSpec
    node: str
    runtime: str
    sandbox_id: str
    container_id: str
    pid: int
    container_pid: int
    ips: tuple[str, ...]
    netns: str
    host_veth: str  # empty with hostNetwork
    started_at: int  # nanoseconds since the epoch


class Runtime(Protocol):
    """One node's container runtime."""

    name: str

    def load(self, archive: Path) -> None:
        """Import the images of a docker archive."""
        ...

    def run(self, pod: PodSpec) -> PodFacts:
        """Start the pod and say what became of it."""
        ...

    def exec(self, pod: PodFacts, argv: Sequence[str], seconds: int = 10) -> tuple[int, str]:
        """Run ``argv`` in the pod's container: its exit status and what it wrote."""
        ...

    def version(self) -> str:
        """``name://version``, as a node's status has it."""
        ...

    def close(self) -> None:
        """Let go of the runtime; it ends with its node."""
        ...

    def stop(self, pod: PodFacts) -> None:
        """End the pod; its sandbox stays listed, stopped."""
        ...

    def remove(self, pod: PodFacts) -> None:
        """Stop the pod and forget it."""
        ...
