"""API objects as the control plane would hold them, made from what really runs. Shapes: core/v1, apps/v1."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy.lab.plan import NodePlan
from deploy.lab.runtime import PodFacts

Json = dict[str, Any]
Object = Mapping[str, Any]
_KUBELET = "v1.36.2"


@dataclass(frozen=True)
class PortPlan:
    """A port of a service and the pods' port behind it."""

    name: str
    protocol: str
    port: int
    target: int


def namespace(name: str) -> Object:
    """A namespace that is there to stay."""
    labels = {"kubernetes.io/metadata.name": name}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def node(plan: NodePlan, machine_id: str, runtime: str) -> Object:
    """A Ready node; ``runtime`` is ``name://version``."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": plan.name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": plan.name,
                "kubernetes.io/os": "linux",
            },
        },
        "spec": {"podCIDR": plan.pod_cidr, "podCIDRs": [plan.pod_cidr, plan.pod_cidr6]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": plan.address},
                {"type": "InternalIP", "address": plan.address6},
                {"type": "Hostname", "address": plan.name},
            ],
            "capacity": {"cpu": str(os.cpu_count()), "pods": "110"},
            "conditions": [_condition("Ready", "KubeletReady", "kubelet is posting ready status")],
            "nodeInfo": {
                "architecture": "amd64",
                "containerRuntimeVersion": runtime,
                "kernelVersion": platform.release(),
                "kubeletVersion": _KUBELET,
                "machineID": machine_id,
                "operatingSystem": "linux",
                "osImage": platform.freedesktop_os_release()["PRETTY_NAME"],
            },
        },
    }


def pod(facts: PodFacts, plan: NodePlan, owner: Object | None) -> Object:
    """A running, ready pod, as the kubelet reports what the runtime says."""
    spec = facts.spec
    ips = facts.ips or (plan.address, plan.address6)
    metadata: Json = {"name": spec.name, "namespace": spec.namespace, "uid": spec.uid, "labels": dict(spec.labels)}
    if owner is not None:
        metadata["ownerReferences"] = [owner_reference(owner)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "nodeName": facts.node,
            "hostNetwork": spec.host_network,
            "dnsPolicy": "ClusterFirst" if spec.nameservers else "Default",
            "restartPolicy": "Always",
            "containers": [{"name": spec.container, "image": spec.image, "ports": _container_ports(facts)}],
        },
        "status": {
            "phase": "Running",
            "conditions": [_condition(kind) for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")],
            "hostIP": plan.address,
            "hostIPs": [{"ip": plan.address}, {"ip": plan.address6}],
            "podIP": ips[0],
            "podIPs": [{"ip": ip} for ip in ips],
            "qosClass": "BestEffort",
            "startTime": _started(facts),
            "containerStatuses": [_container_status(facts)],
        },
    }


def workload(kind: str, key: tuple[str, str], labels: Mapping[str, str], replicas: int) -> Json:
    """A Deployment or ReplicaSet that has all its replicas; ``key`` is its namespace and name."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": key[0], "name": key[1], "labels": dict(labels)},
        "spec": {"replicas": replicas, "selector": {"matchLabels": dict(labels)}},
        "status": {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas},
    }


def owned(child: Json, owner: Object) -> Json:
    """The object with its controller named."""
    child["metadata"]["ownerReferences"] = [owner_reference(owner)]
    return child


def owner_reference(owner: Object) -> Object:
    """How an object names its controller."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def api_service(address: str, port: int) -> tuple[Object, Object]:
    """The service ``kubernetes``, which selects nothing, and the slice that the API server itself writes for it."""
    key = {"namespace": "default", "name": "kubernetes"}
    spec = {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.1",
        "clusterIPs": ["10.96.0.1"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
        "sessionAffinity": "None",
        "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
    }
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**key, "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "protocol": "TCP", "port": port}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True, "serving": True, "terminating": False}}],
    }
    return _service({**key, "labels": {"component": "apiserver", "provider": "kubernetes"}}, spec), piece


def service(key: tuple[str, str], cluster_ips: Sequence[str], ports: Sequence[PortPlan], selector: Mapping[str, str]) -> Object:
    """A dual-stack ClusterIP service; ``key`` is its namespace and name, ``cluster_ips`` IPv4 then IPv6."""
    spec = {
        "type": "ClusterIP",
        "clusterIP": cluster_ips[0],
        "clusterIPs": list(cluster_ips),
        "ipFamilies": ["IPv4", "IPv6"],
        "ipFamilyPolicy": "RequireDualStack",
        "internalTrafficPolicy": "Cluster",
        "sessionAffinity": "None",
        "selector": dict(selector),
        "ports": [{"name": p.name, "protocol": p.protocol, "port": p.port, "targetPort": p.target} for p in ports],
    }
    return _service({"namespace": key[0], "name": key[1], "labels": dict(selector)}, spec)


def kube_proxy_config(name: str, mode: str, cluster_cidr: str) -> Object:
    """A ConfigMap from which kube-proxy's pods read their configuration (kubeproxy.config.k8s.io/v1alpha1)."""
    config = (
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n"
        "kind: KubeProxyConfiguration\n"
        f"mode: {mode}\n"
        f"clusterCIDR: {cluster_cidr}\n"
        "conntrack:\n  maxPerCore: null\n  min: null\n"
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "kube-system", "name": name, "labels": {"app": "kube-proxy"}},
        "data": {"config.conf": config},
    }


def _service(metadata: Object, spec: Object) -> Object:
    status: Json = {"loadBalancer": {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": status}


def _condition(kind: str, reason: str = "", message: str = "") -> Object:
    said = {"reason": reason, "message": message} if reason else {}
    return {"type": kind, "status": "True", "lastTransitionTime": _timestamp(datetime.now(UTC)), **said}


def _container_ports(facts: PodFacts) -> list[Json]:
    return [{"name": port.name, "containerPort": port.number, "protocol": port.protocol} for port in facts.spec.ports]


def _container_status(facts: PodFacts) -> Object:
    return {
        "name": facts.spec.container,
        "image": facts.spec.image,
        "imageID": facts.spec.image,
        "containerID": f"{facts.runtime}://{facts.container_id}",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "lastState": {},
        "state": {"running": {"startedAt": _started(facts)}},
    }


def _started(facts: PodFacts) -> str:
    return _timestamp(datetime.fromtimestamp(facts.started_at / 1e9, UTC))


def _timestamp(moment: datetime) -> str:
    """``metav1.Time``: RFC 3339 in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
