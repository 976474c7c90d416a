"""containerd's task folders: `<state>/io.containerd.runtime.v2.task/k8s.io/<id>/{config.json,init.pid,shim-binary-path}`.

A folder is there as long as the task is; sandboxes that ended are in containerd's database only.
"""

from __future__ import annotations

from typing import Iterator, Optional

from node_helper.kernel import Kernel
from node_helper.runtime.listed import Listed, Pod, at, document, has_own_network, netns_path, number, text_at

_STATES = (
    "/run/containerd",
    "/run/k3s/containerd",  # k3s, RKE2
    "/run/k0s/containerd",
    "/var/snap/microk8s/common/run/containerd",
    "/var/snap/k8s/common/run/containerd",  # Canonical Kubernetes
)
_TASKS = ("io.containerd.runtime.v2.task/k8s.io", "io.containerd.runtime.v1.linux/k8s.io")
FOLDERS = tuple(f"{state}/{tasks}" for state in _STATES for tasks in _TASKS)
_CRI = "io.kubernetes.cri."


def named(kernel: Kernel, pod: Pod, containers: tuple[str, ...]) -> tuple[Listed, ...]:
    """The pod's sandboxes among these containers: a handful of small files, however many pods there are."""
    return tuple(_sandboxes(kernel, pod, containers))


def listed(kernel: Kernel, pod: Pod) -> tuple[Listed, ...]:
    """The pod's sandboxes among all of the node's containers."""
    return tuple(_sandboxes(kernel, pod, None))


def _sandboxes(kernel: Kernel, pod: Pod, only: Optional[tuple[str, ...]]) -> Iterator[Listed]:
    for folder in FOLDERS:
        for identity in kernel.names_in(folder) if only is None else only:
            found = _sandbox(kernel, pod, folder, identity)
            if found is not None:
                yield found


def _sandbox(kernel: Kernel, pod: Pod, folder: str, identity: str) -> Optional[Listed]:
    source = f"{folder}/{identity}/config.json"
    text = kernel.read(source)
    if text is None or not any(uid in text for uid in pod.uids):
        return None
    spec = document(text)
    notes = at(spec, "annotations")
    if text_at(notes, _CRI + "container-type") != "sandbox" or _uid(notes) not in pod.uids:
        return None
    return Listed(
        runtime="containerd",
        id=identity,
        state="ready",
        attempt=0,  # only containerd's database knows
        pid=number(kernel.read(f"{folder}/{identity}/init.pid")),
        source=source,
        netns_path=netns_path(spec),
        host_network=not has_own_network(spec),
        handler=(kernel.read(f"{folder}/{identity}/shim-binary-path") or "").strip(),
    )


def _uid(notes: object) -> str:
    """Before containerd 1.6 the UID stands only at the end of the log directory, <namespace>_<name>_<uid>."""
    return text_at(notes, _CRI + "sandbox-uid") or text_at(notes, _CRI + "sandbox-log-directory").rpartition("_")[2]
