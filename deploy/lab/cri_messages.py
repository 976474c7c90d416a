"""What the kubelet writes into CRI requests for a pod (kubernetes/cri-api ``runtime.v1``, pkg/kubelet/kuberuntime)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cri_api.v1 import api_pb2 as cri

from deploy.lab.cgroups import Driver
from deploy.lab.runtime import PodSpec


def sandbox(pod: PodSpec, driver: Driver) -> Any:
    """``PodSandboxConfig``, with the cgroup of a BestEffort pod."""
    dns = cri.DNSConfig(servers=pod.nameservers, searches=pod.searches, options=["ndots:5"])
    return cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name=pod.name, namespace=pod.namespace, uid=pod.uid, attempt=pod.attempt),
        hostname="" if pod.host_network else pod.name,
        log_directory=f"/var/log/pods/{pod.namespace}_{pod.name}_{pod.uid}",
        labels={**pod.labels, **_kubelet_labels(pod)},
        dns_config=dns if pod.nameservers else None,
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent=driver.parent(pod.uid),
            security_context=cri.LinuxSandboxSecurityContext(namespace_options=_namespaces(pod)),
        ),
    )


def container(pod: PodSpec) -> Any:
    """``ContainerConfig`` of the pod's one container."""
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=pod.container, attempt=pod.attempt),
        image=cri.ImageSpec(image=pod.image, user_specified_image=pod.image),
        command=list(pod.command),
        log_path=f"{pod.container}/{pod.attempt}.log",
        labels={**_kubelet_labels(pod), "io.kubernetes.container.name": pod.container},
        mounts=[cri.Mount(host_path=h, container_path=c, readonly=True) for h, c in pod.mounts.items()],
        linux=cri.LinuxContainerConfig(security_context=cri.LinuxContainerSecurityContext(namespace_options=_namespaces(pod))),
    )


def _kubelet_labels(pod: PodSpec) -> Mapping[str, str]:
    return {
        "io.kubernetes.pod.name": pod.name,
        "io.kubernetes.pod.namespace": pod.namespace,
        "io.kubernetes.pod.uid": pod.uid,
    }


def _namespaces(pod: PodSpec) -> Any:
    return cri.NamespaceOption(network=cri.NODE if pod.host_network else cri.POD, pid=cri.CONTAINER, ipc=cri.POD)
