"""What cri-dockerd, and dockershim before it, ask of docker for a pod (Mirantis/cri-dockerd, core/ and naming.go)."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.lab import images
from deploy.lab.cgroups import Driver
from deploy.lab.runtime import PodSpec

_SANDBOX = "POD"  # the container's name in the names of sandboxes


def name(pod: PodSpec, container: str = _SANDBOX) -> str:
    """``k8s_<container>_<pod>_<namespace>_<uid>_<attempt>``."""
    return f"k8s_{container}_{pod.name}_{pod.namespace}_{pod.uid}_{pod.attempt}"


def sandbox(pod: PodSpec, driver: Driver) -> Mapping[str, object]:
    """The container that holds the pod's namespaces; its network comes from CNI, after its start."""
    return {
        "Image": images.PAUSE,
        "Hostname": "" if pod.host_network else pod.name,
        "Labels": {**pod.labels, **_labels(pod, _SANDBOX), "io.kubernetes.docker.type": "podsandbox"},
        "HostConfig": {
            "CgroupParent": driver.docker_parent(pod.uid),
            "NetworkMode": "host" if pod.host_network else "none",
            "IpcMode": "shareable",
        },
    }


def container(pod: PodSpec, sandbox_id: str, driver: Driver) -> Mapping[str, object]:
    """The pod's one container, in the sandbox's namespaces."""
    labels = {"io.kubernetes.docker.type": "container", "io.kubernetes.sandbox.id": sandbox_id}
    return {
        "Image": pod.image,
        "Entrypoint": list(pod.command[:1]),
        "Cmd": list(pod.command[1:]),
        "Labels": {**_labels(pod, pod.container), **labels},
        "HostConfig": {
            "CgroupParent": driver.docker_parent(pod.uid),
            "NetworkMode": f"container:{sandbox_id}",
            "IpcMode": f"container:{sandbox_id}",
            "Binds": [f"{here}:{there}:ro" for here, there in pod.mounts.items()],
        },
    }


def resolv_conf(pod: PodSpec) -> str:
    """What takes the place of docker's own (core/helpers.go: rewriteResolvFile)."""
    lines = [f"nameserver {server}" for server in pod.nameservers]
    return "\n".join([*lines, f"search {' '.join(pod.searches)}", "options ndots:5"]) + "\n"


def _labels(pod: PodSpec, container: str) -> Mapping[str, str]:
    return {
        "io.kubernetes.container.name": container,
        "io.kubernetes.pod.name": pod.name,
        "io.kubernetes.pod.namespace": pod.namespace,
        "io.kubernetes.pod.uid": pod.uid,
    }
