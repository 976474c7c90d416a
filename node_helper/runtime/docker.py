"""Docker's own HTTP interface on its socket, for nodes with cri-dockerd or dockershim (Docker Engine API, v1.24 and later)."""

from __future__ import annotations

import json
import urllib.parse
from typing import Optional

from node_helper.kernel import Kernel
from node_helper.runtime.listed import Listed, Pod, document, number, number_at, text_at

_SOCKET = "/var/run/docker.sock"
_PID_FILE = "/var/run/docker.pid"
_UP = ("running", "paused")  # both have their processes and their namespaces; cri-dockerd calls both ready


def listed(kernel: Kernel, pod: Pod) -> tuple[Listed, ...]:
    """The pod's sandboxes, stopped ones too. A daemon that does not run is not asked: systemd would start it."""
    daemon = number(kernel.read(_PID_FILE))
    if not daemon or kernel.read(f"/proc/{daemon}/comm") is None:
        return ()
    found = [_sandbox(kernel, identity) for uid in pod.uids for identity in _identities(kernel, uid)]
    return tuple(sandbox for sandbox in found if sandbox is not None)


def _identities(kernel: Kernel, uid: str) -> tuple[str, ...]:
    labels = [f"io.kubernetes.pod.uid={uid}", "io.kubernetes.docker.type=podsandbox"]
    query = urllib.parse.urlencode({"all": "true", "filters": json.dumps({"label": labels})})
    found = document(kernel.http_get(_SOCKET, f"/containers/json?{query}"))
    return tuple(text_at(item, "Id") for item in found if text_at(item, "Id").isalnum()) if isinstance(found, list) else ()


def _sandbox(kernel: Kernel, identity: str) -> Optional[Listed]:
    target = f"/containers/{identity}/json"
    seen = document(kernel.http_get(_SOCKET, target))
    if seen is None:
        return None  # removed since it was listed
    return Listed(
        runtime="docker",
        id=identity,
        state="ready" if text_at(seen, "State", "Status") in _UP else "stopped",
        attempt=number(text_at(seen, "Name").rpartition("_")[2]),  # k8s_POD_<name>_<namespace>_<uid>_<attempt>
        pid=number_at(seen, "State", "Pid"),
        source=f"{_SOCKET} GET {target}",
        netns_path=text_at(seen, "NetworkSettings", "SandboxKey") or None,
        host_network=text_at(seen, "HostConfig", "NetworkMode") == "host",
        handler=text_at(seen, "HostConfig", "Runtime"),
    )
