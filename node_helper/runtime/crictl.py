"""What `crictl` says where it is installed: the runtime's whole list, stopped sandboxes and attempts too."""

from __future__ import annotations

from typing import Optional

from node_helper.kernel import Kernel
from node_helper.protocol import CannotLook
from node_helper.runtime.listed import Listed, Pod, at, document, has_own_network, items_at, netns_path, number_at, text_at

_ENDPOINTS = (
    ("containerd", "/run/containerd", "containerd.sock"),
    ("containerd", "/run/k3s/containerd", "containerd.sock"),
    ("containerd", "/run/k0s", "containerd.sock"),
    ("containerd", "/var/snap/microk8s/common/run", "containerd.sock"),
    ("cri-o", "/var/run/crio", "crio.sock"),
    ("docker", "/var/run", "cri-dockerd.sock"),
    ("docker", "/var/run", "dockershim.sock"),
)
_NO_CRI = "code = Unimplemented"  # docker's own containerd, where its CRI plugin is off
_STATES = {"SANDBOX_READY": "ready", "SANDBOX_NOTREADY": "stopped"}


def listed(kernel: Kernel, pod: Pod) -> tuple[Listed, ...]:
    """The pod's sandboxes; none where there is no crictl or no runtime that it could ask."""
    found = []
    for runtime, folder, socket in _ENDPOINTS:
        if socket in kernel.names_in(folder):
            base = ("crictl", "--runtime-endpoint", f"unix://{folder}/{socket}", "--timeout", "2s")
            for uid in pod.uids:
                items = items_at(
                    _asked(kernel, (*base, "pods", "--label", f"io.kubernetes.pod.uid={uid}", "-o", "json")), "items"
                )
                found += [_sandbox(kernel, runtime, base, item) for item in items]
    return tuple(found)


def _asked(kernel: Kernel, argv: tuple[str, ...]) -> object:
    try:
        done = kernel.run(argv)
    except CannotLook as e:
        if e.kind != "missing":
            raise
        return None
    if done.status != 0 and _NO_CRI in done.err:
        return None
    if done.status != 0:
        raise CannotLook(f"{' '.join(argv)} failed with status {done.status}: {done.err.strip()[:200]}", kind="malformed")
    return document(done.out)


def _sandbox(kernel: Kernel, runtime: str, base: tuple[str, ...], item: object) -> Listed:
    identity, state = text_at(item, "id"), _STATES.get(text_at(item, "state"), "unknown")
    info: object = None
    if state == "ready":
        info = at(_asked(kernel, (*base, "inspectp", "-o", "json", identity)), "info")
    return Listed(
        runtime=runtime,
        id=identity,
        state=state,
        attempt=number_at(item, "metadata", "attempt"),
        pid=number_at(info, "pid"),
        source=" ".join((*base, "inspectp", identity) if info else (*base, "pods")),
        netns_path=netns_path(at(info, "runtimeSpec")),
        host_network=_on_host(info),
        handler=text_at(item, "runtimeHandler"),
    )


def _on_host(info: object) -> Optional[bool]:
    spec = at(info, "runtimeSpec")
    return None if spec is None else not has_own_network(spec)
