"""The pod's processes by their cgroup paths: whatever the runtime, cgroupfs or systemd driver, cgroups v1 or v2, any prefix."""

from __future__ import annotations

import re
from typing import Optional

from node_helper.kernel import Kernel, Netns
from node_helper.records import Process
from node_helper.runtime.listed import Pod

_MONITORS = frozenset({"conmon", "conmonrs"})  # they start first, sit in the pod's cgroup and live in the node's namespace
_CONTAINER = re.compile(r"(?:^|[-:/])([0-9a-f]{64})(?=\.scope|[/:]|$)")
_RUNTIMES = (("cri-containerd", "containerd"), ("crio-", "cri-o"), ("docker-", "docker"))


def processes(kernel: Kernel, pod: Pod) -> tuple[Process, ...]:
    """Every process of the pod, in the order in which they started."""
    spellings = tuple(spelling for uid in pod.uids for spelling in (uid, uid.replace("-", "_")))
    pattern = re.compile(rf"pod(?:{'|'.join(map(re.escape, spellings))})(?![0-9A-Za-z_-])")
    found = kernel.processes(tuple(f"pod{spelling}" for spelling in spellings))
    ours = [process for process in found if any(map(pattern.search, process.cgroups))]
    return tuple(sorted(ours, key=lambda process: (process.started, process.pid)))


def choose(found: tuple[Process, ...], node: Netns, *, on_host: bool) -> Optional[Process]:
    """The process that stands for the pod; None without one.

    A process in another namespace than the node's is the pod's; a pod with none such is on the host network. Where the pod says
    that it is on the host network (`on_host`), another namespace is one that it made itself. A monitor stands for no pod: it is
    in the node's namespace whatever the pod's is.
    """
    away = [process for process in found if process.netns_inode != node.inode]
    home = [process for process in found if process.netns_inode == node.inode and process.comm not in _MONITORS]
    preferred = (home or away) if on_host else (away or home)
    return preferred[0] if preferred else None


def container_ids(found: tuple[Process, ...]) -> tuple[str, ...]:
    """The ids of the containers in whose cgroups the processes are, each once."""
    return tuple(
        dict.fromkeys(identity for process in found for path in process.cgroups for identity in _CONTAINER.findall(path))
    )


def runtime(found: tuple[Process, ...]) -> str:
    """The runtime that the cgroups' names betray; "unknown" where they do not (cgroupfs driver)."""
    paths = [path for process in found for path in process.cgroups]
    return next((name for mark, name in _RUNTIMES for path in paths if mark in path), "unknown")
