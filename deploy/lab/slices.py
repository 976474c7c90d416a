"""The endpoint slice controller's part: which pods stand behind a service (discovery.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploy.lab.manifests import Json, Object, owner_reference

_FAMILIES = {"IPv4": ".", "IPv6": ":"}


def slices(service: Object, pods: Sequence[Object]) -> Iterator[Object]:
    """A slice for each address family of the service, with the pods it selects; none where it has no selector."""
    if not service["spec"].get("selector"):
        return
    chosen = [pod for pod in pods if _is_selected(service, pod)]
    for family in service["spec"]["ipFamilies"]:
        yield _slice(service, family, chosen)


def _is_selected(service: Object, pod: Object) -> bool:
    same_namespace: bool = pod["metadata"]["namespace"] == service["metadata"]["namespace"]
    labels = pod["metadata"].get("labels", {})
    return same_namespace and all(labels.get(key) == value for key, value in service["spec"]["selector"].items())


def _slice(service: Object, family: str, pods: Sequence[Object]) -> Json:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    ports = [{"name": p["name"], "protocol": p["protocol"], "port": p["targetPort"]} for p in service["spec"]["ports"]]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-{family.lower()}",
            "labels": {
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": family,
        "ports": ports,
        "endpoints": [_endpoint(pod, family) for pod in pods],
    }


def _endpoint(pod: Object, family: str) -> Json:
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
    terminating = "deletionTimestamp" in pod["metadata"]
    metadata = pod["metadata"]
    return {
        "addresses": [ip["ip"] for ip in pod["status"]["podIPs"] if _FAMILIES[family] in ip["ip"]],
        "conditions": {"ready": ready and not terminating, "serving": ready, "terminating": terminating},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }
