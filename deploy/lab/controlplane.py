"""What the control plane makes of the lab: API objects from the pods that run, and endpoints from both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deploy.lab import manifests, workload
from deploy.lab.kubeproxy.model import Objects as ProxyObjects
from deploy.lab.objects import Object, Objects
from deploy.lab.plan import NODES, POD_CIDRS, Proxy
from deploy.lab.runtime import PodFacts
from deploy.lab.slices import slices

_NAMESPACES = ("default", "kube-system")
_PROXY_CONFIGS = {"kube-proxy": Proxy.IPTABLES, "kube-proxy-nftables": Proxy.NFTABLES}  # a cluster between two modes


def publish(objects: Objects, nodes: Iterable[Object], pods: Iterable[PodFacts]) -> None:
    """Store everything that a cluster with these nodes and pods has, services and their endpoints included."""
    for name in _NAMESPACES:
        objects.put("namespaces", manifests.namespace(name))
    for node in nodes:
        objects.put("nodes", node)
    for name, mode in _PROXY_CONFIGS.items():
        objects.put("configmaps", manifests.kube_proxy_config(name, mode.value, POD_CIDRS))
    owners = _owners(objects)
    plans = {plan.name: plan for plan in NODES}
    for facts in pods:
        template = facts.spec.labels.get("pod-template-hash", "")
        objects.put("pods", manifests.pod(facts, plans[facts.node], owners.get(template)))
    for service in workload.services():
        objects.put("services", service)
    publish_slices(objects)


def publish_slices(objects: Objects) -> None:
    """Bring the endpoint slices in line with services and pods."""
    pods, _ = objects.list("pods")
    for service in objects.list("services")[0]:
        for piece in slices(service, pods):
            objects.put("endpointslices", piece)


def for_proxy(objects: Objects) -> ProxyObjects:
    """The objects that kube-proxy watches."""
    return ProxyObjects(
        services=objects.list("services")[0],
        endpoint_slices=objects.list("endpointslices")[0],
        nodes=objects.list("nodes")[0],
    )


def _owners(objects: Objects) -> Mapping[str, Object]:
    """The ReplicaSets, by the hash that their pods carry."""
    planned = (
        ("default", "hello-world", {"app": "hello-world"}, workload.HELLO_HASH),
        ("kube-system", "kube-dns", {"k8s-app": "kube-dns"}, workload.DNS_HASH),
    )
    owners = {}
    for namespace, name, labels, template in planned:
        deployment = objects.put("deployments", manifests.workload("Deployment", (namespace, name), labels, len(NODES)))
        labelled = {**labels, "pod-template-hash": template}
        replicas = manifests.workload("ReplicaSet", (namespace, f"{name}-{template}"), labelled, len(NODES))
        owners[template] = objects.put("replicasets", manifests.owned(replicas, deployment))
    return owners
