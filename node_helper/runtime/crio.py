"""CRI-O's containers: `<run>/overlay-containers/<id>/userdata/{config.json,pidfile}`, and a marker file for stopped sandboxes.

By default it has no pause process: then a sandbox is a configuration with pinned namespaces, marked as spoofed.
"""

from __future__ import annotations

from typing import Iterator, Optional

from node_helper.kernel import Kernel
from node_helper.runtime.listed import Listed, Pod, at, document, netns_path, number, text_at

RUN = "/run/containers/storage/overlay-containers"
_KEPT = "/var/lib/containers/storage/overlay-containers"
_CRIO = "io.kubernetes.cri-o."
_STOPPED = "stopped"  # internal/lib/sandbox/sandbox.go, sbStoppedFilename


def named(kernel: Kernel, pod: Pod, containers: tuple[str, ...]) -> tuple[Listed, ...]:
    """The sandboxes to which these containers of the pod belong."""
    specs = [document(kernel.read(_config(identity))) for identity in containers]
    sandboxes = dict.fromkeys(text_at(spec, "annotations", _CRIO + "SandboxID") for spec in specs)
    return tuple(_sandboxes(kernel, pod, tuple(identity for identity in sandboxes if identity.isalnum())))


def listed(kernel: Kernel, pod: Pod) -> tuple[Listed, ...]:
    """The pod's sandboxes among all of the node's containers."""
    return tuple(_sandboxes(kernel, pod, kernel.names_in(RUN)))


def _sandboxes(kernel: Kernel, pod: Pod, identities: tuple[str, ...]) -> Iterator[Listed]:
    for identity in identities:
        text = kernel.read(_config(identity))
        if text is not None and any(uid in text for uid in pod.uids):
            found = _sandbox(kernel, pod, identity, document(text))
            if found is not None:
                yield found


def _sandbox(kernel: Kernel, pod: Pod, identity: str, spec: object) -> Optional[Listed]:
    notes = at(spec, "annotations")
    if text_at(notes, _CRIO + "ContainerType") != "sandbox" or _uid(notes) not in pod.uids:
        return None
    return Listed(
        runtime="cri-o",
        id=identity,
        state="stopped" if _STOPPED in kernel.names_in(f"{_KEPT}/{identity}/userdata") else "ready",
        attempt=number(text_at(notes, _CRIO + "Name").rpartition("_")[2]),
        pid=number(kernel.read(f"{RUN}/{identity}/userdata/pidfile")),
        source=_config(identity),
        netns_path=netns_path(spec),
        host_network=text_at(notes, _CRIO + "HostNetwork") == "true",
        handler=text_at(notes, _CRIO + "RuntimeHandler"),
    )


def _uid(notes: object) -> str:
    return text_at(notes, "io.kubernetes.pod.uid") or text_at(document(text_at(notes, _CRIO + "Labels")), "io.kubernetes.pod.uid")


def _config(identity: str) -> str:
    return f"{RUN}/{identity}/userdata/config.json"
