"""The place of a pod on its node, from what runtimes list and what cgroups show, each verified by the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import CannotLook
from node_helper.records import Process
from node_helper.runtime import cgroups, containerd, crictl, crio, docker
from node_helper.runtime.listed import Listed, Pod

_VIRTUAL = ("kata", "runsc", "gvisor")


@dataclass(frozen=True)
class Found:
    """What was found; `chosen` is None where no runtime lists the pod. The rest is as in the fact ``sandbox``."""

    runtime: str
    chosen: Optional[Listed]
    pid: Optional[int]
    netns: Optional[Netns]
    host_network: bool
    state: str
    processes: int
    sources: tuple[str, ...]
    listed: tuple[Listed, ...]


def place(kernel: Kernel, pod: Pod, *, on_host: bool) -> Found:
    """Find the pod. `on_host`: its specification asks for the host network; it decides only where the node shows both."""
    node = kernel.own_netns()
    seen = cgroups.processes(kernel, pod)
    listed = tuple(sorted(_listed(kernel, pod, seen), key=lambda one: one.attempt))
    chosen = _best(listed, seen)
    if chosen is not None and any(word in chosen.handler for word in _VIRTUAL):
        raise CannotLook(
            f"{pod.namespace}/{pod.name} runs under {chosen.handler}: this node's kernel does not see its network",
            kind="missing",
            fix="look from inside the pod, with kubectl exec",
        )
    pinned = _pinned(kernel, chosen)
    pid = _pid(chosen, seen, pinned, node, on_host=on_host)
    netns = _netns(kernel, pid, pinned, node) or (node if chosen is not None and chosen.host_network else None)
    return Found(
        runtime=chosen.runtime if chosen else cgroups.runtime(seen),
        chosen=chosen,
        pid=pid,
        netns=netns,
        host_network=netns is not None and netns.inode == node.inode,
        state=_state(chosen, pid, seen),
        processes=len(seen),
        sources=_sources(chosen, pid, netns) + (_searched(kernel) if chosen is None else ()),
        listed=listed,
    )


def _listed(kernel: Kernel, pod: Pod, seen: tuple[Process, ...]) -> tuple[Listed, ...]:
    """What runtimes list, asking for more only while it is not plain which sandbox is the pod's."""
    containers = cgroups.container_ids(seen)
    near = _verified(kernel, containerd.named(kernel, pod, containers) + crio.named(kernel, pod, containers), seen)
    if _ready(near) == 1:
        return near
    every = containerd.listed(kernel, pod) + crio.listed(kernel, pod)
    every = _verified(kernel, every or docker.listed(kernel, pod), seen)
    if _ready(every) == 1:
        return every
    told = {one.id: one for one in (*every, *_verified(kernel, crictl.listed(kernel, pod), seen))}
    return tuple(told.values())


def _ready(listed: tuple[Listed, ...]) -> int:
    return sum(one.state == "ready" for one in listed)


def _verified(kernel: Kernel, listed: tuple[Listed, ...], seen: tuple[Process, ...]) -> tuple[Listed, ...]:
    return tuple(_verify(kernel, one, seen) for one in listed)


def _verify(kernel: Kernel, one: Listed, seen: tuple[Process, ...]) -> Listed:
    """A process id in a file may have passed to another process: it must be the pod's by its cgroup or by its namespace."""
    if one.state != "ready":
        return replace(one, pid=0)
    if one.pid == 0:
        return one if one.netns_path or one.host_network or one.handler else replace(one, state="unknown")
    if any(process.pid == one.pid for process in seen) or _lives_in(kernel, one.pid, one.netns_path):
        return one
    return replace(one, state="stopped", pid=0)


def _lives_in(kernel: Kernel, pid: int, path: Optional[str]) -> bool:
    try:
        return path is not None and kernel.netns_of(pid).inode == kernel.netns_at(path).inode
    except CannotLook as e:
        if e.kind != "gone":
            raise
        return False


def _best(listed: tuple[Listed, ...], seen: tuple[Process, ...]) -> Optional[Listed]:
    """The ready one with the highest attempt; the latest started, where attempts are not told."""
    started = {process.pid: process.started for process in seen}
    order = ("stopped", "unknown", "ready")
    return max(listed, key=lambda one: (order.index(one.state), one.attempt, started.get(one.pid, 0)), default=None)


def _pinned(kernel: Kernel, chosen: Optional[Listed]) -> Optional[Netns]:
    if chosen is None or chosen.netns_path is None or chosen.state == "stopped":
        return None
    try:
        return kernel.netns_at(chosen.netns_path)
    except CannotLook as e:
        if e.kind != "gone":
            raise
        return None  # mounted where this process does not see it; the process's own path opens the same namespace


def _pid(
    chosen: Optional[Listed], seen: tuple[Process, ...], pinned: Optional[Netns], node: Netns, *, on_host: bool
) -> Optional[int]:
    if chosen is not None and chosen.pid:
        return chosen.pid
    within = tuple(process for process in seen if pinned is not None and process.netns_inode == pinned.inode)
    process = cgroups.choose(within or seen, node, on_host=on_host)
    return process.pid if process is not None else None


def _netns(kernel: Kernel, pid: Optional[int], pinned: Optional[Netns], node: Netns) -> Optional[Netns]:
    if pid is None:
        return pinned
    own = kernel.netns_of(pid)
    if own.inode == node.inode:
        return node
    return pinned if pinned is not None and pinned.inode == own.inode else own


def _state(chosen: Optional[Listed], pid: Optional[int], seen: tuple[Process, ...]) -> str:
    if chosen is not None and chosen.state == "stopped":
        return "stopped"
    if pid is not None:
        return "ready"
    return "absent" if chosen is None and not seen else "no-process"


def _searched(kernel: Kernel) -> tuple[str, ...]:
    """Where runtimes keep containers on this node and this pod has none."""
    return tuple(folder for folder in (*containerd.FOLDERS, crio.RUN) if kernel.names_in(folder))


def _sources(chosen: Optional[Listed], pid: Optional[int], netns: Optional[Netns]) -> tuple[str, ...]:
    told = (chosen.source,) if chosen is not None else ()
    seen = (f"/proc/{pid}/cgroup", f"/proc/{pid}/ns/net") if pid is not None else ("/proc/*/cgroup",)
    return (*told, *seen, *((netns.path,) if netns is not None and netns.path not in seen else ()))
