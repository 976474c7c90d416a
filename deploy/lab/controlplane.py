"""What the control plane makes of the lab: API objects from the pods that run, and endpoints from both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from deploy.lab import manifests, workload
from deploy.lab.kubeapi import Store
from deploy.lab.kubeproxy.model import Objects
from deploy.lab.manifests import Object
from deploy.lab.plan import API_PORT, GATEWAY, POD_CIDRS, NodePlan, Proxy
from deploy.lab.runtime import PodFacts
from deploy.lab.slices import slices

_NAMESPACES = ("default", "kube-system")
_PROXY_CONFIGS = {"kube-proxy": Proxy.IPTABLES, "kube-proxy-nftables": Proxy.NFTABLES}  # a cluster between two modes


def publish(store: Store, plans: Sequence[NodePlan], pods: Iterable[PodFacts]) -> None:
    """Store everything that a cluster with these pods has beside its nodes: services and their endpoints included."""
    for name in _NAMESPACES:
        store.put(manifests.namespace(name))
    for name, mode in _PROXY_CONFIGS.items():
        store.put(manifests.kube_proxy_config(name, mode.value, POD_CIDRS))
    _publish_pods(store, plans, pods)
    for given in (*workload.services(), *manifests.api_service(GATEWAY, API_PORT)):
        store.put(given)
    publish_slices(store)


def publish_slices(store: Store) -> None:
    """Bring the endpoint slices in line with services and pods."""
    pods = store.list("Pod")
    for service in store.list("Service"):
        for piece in slices(service, pods):
            store.put(piece)


def for_proxy(store: Store) -> Objects:
    """The objects that kube-proxy watches."""
    return Objects(services=store.list("Service"), endpoint_slices=store.list("EndpointSlice"), nodes=store.list("Node"))


def addresses(store: Store) -> Iterator[tuple[str, str]]:
    """Each service and its cluster IPs, for people."""
    for service in store.list("Service"):
        name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        yield name, ", ".join(service["spec"]["clusterIPs"])


def _publish_pods(store: Store, plans: Sequence[NodePlan], pods: Iterable[PodFacts]) -> None:
    owners = _owners(store, len(plans))
    by_name = {plan.name: plan for plan in plans}
    for facts in pods:
        owner = owners.get(facts.spec.labels.get("pod-template-hash", ""))
        store.put(manifests.pod(facts, by_name[facts.node], owner))


def _owners(store: Store, replicas: int) -> Mapping[str, Object]:
    """The ReplicaSets, by the hash that their pods carry."""
    planned = (
        ("default", "hello-world", {"app": "hello-world"}, workload.HELLO_HASH),
        ("kube-system", "kube-dns", {"k8s-app": "kube-dns"}, workload.DNS_HASH),
    )
    owners = {}
    for namespace, name, labels, template in planned:
        deployment = store.put(manifests.workload("Deployment", (namespace, name), labels, replicas))
        labelled = {**labels, "pod-template-hash": template}
        child = manifests.workload("ReplicaSet", (namespace, f"{name}-{template}"), labelled, replicas)
        owners[template] = store.put(manifests.owned(child, deployment))
    return owners
