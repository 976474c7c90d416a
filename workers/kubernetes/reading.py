"""API objects, as the server or `kubectl get -o json` says them, read into the records of `workers.objects`. Pure.

Each reader takes any JSON value and gives a record or raises `Malformed`. Source: kubernetes.io, Kubernetes API reference.
"""

from __future__ import annotations

from typing import Any

from workers.kubernetes.fields import (
    Json,
    address,
    addresses,
    flag,
    labels,
    mapping,
    number,
    required,
    section,
    sections,
    text,
    texts,
)
from workers.objects import Endpoint, EndpointPort, EndpointSlice, Node, Owner, ReplicaSet, Service, ServicePort

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
_STICKY_S = 10800  # the default of timeoutSeconds
_IP_TYPES = ("InternalIP", "ExternalIP")
_OF_IP = ("IPv4", "IPv6")


def node(value: Any) -> Node:
    """core/v1 Node; `reason` is that of the Ready condition while it is not true."""
    obj = mapping(value)
    spec, status = section(obj, "spec"), section(obj, "status")
    info, metadata = section(status, "nodeInfo"), section(obj, "metadata")
    ready, reason = condition(status, "Ready")
    addresses = [a for a in sections(status, "addresses") if text(a, "type") in _IP_TYPES]
    return Node(
        name=required(metadata, "name"),
        ready=ready,
        addresses=tuple(required(a, "address") for a in addresses),
        pod_cidrs=texts(spec, "podCIDRs") or _alone(text(spec, "podCIDR")),
        labels=labels(metadata, "labels"),
        runtime=text(info, "containerRuntimeVersion"),
        kernel=text(info, "kernelVersion"),
        kubelet=text(info, "kubeletVersion"),
        reason="" if ready else reason,
        troubles=tuple(
            text(c, "type") for c in sections(status, "conditions") if text(c, "status") == "True" and text(c, "type") != "Ready"
        ),
    )


def service(value: Any) -> Service:
    """core/v1 Service."""
    obj = mapping(value)
    metadata, spec = section(obj, "metadata"), section(obj, "spec")
    ingress = sections(section(section(obj, "status"), "loadBalancer"), "ingress")
    balanced = [(ip, text(each, "ipMode") == "Proxy") for each in ingress if (ip := text(each, "ip"))]
    cluster_ips = texts(spec, "clusterIPs") or _alone(text(spec, "clusterIP"))
    return Service(
        namespace=required(metadata, "namespace"),
        name=required(metadata, "name"),
        type=text(spec, "type", "ClusterIP"),
        cluster_ips=tuple(address(ip, "clusterIPs") for ip in cluster_ips if ip not in ("", "None")),
        ports=tuple(_service_port(p) for p in sections(spec, "ports")),
        selector=labels(spec, "selector"),
        created=text(metadata, "creationTimestamp"),
        external_ips=addresses(spec, "externalIPs"),
        load_balancer_ips=tuple(address(ip, "ip") for ip, proxied in balanced if not proxied),
        bypassed_ips=tuple(address(ip, "ip") for ip, proxied in balanced if proxied),
        other_proxy=labels(metadata, "labels").get(PROXY_NAME, ""),
        external_name=text(spec, "externalName"),
        external_policy=text(spec, "externalTrafficPolicy", "Cluster"),
        internal_policy=text(spec, "internalTrafficPolicy", "Cluster"),
        affinity=text(spec, "sessionAffinity", "None"),
        affinity_s=number(section(section(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds") or _STICKY_S,
        publish_not_ready=flag(spec, "publishNotReadyAddresses"),
        health_check_node_port=number(spec, "healthCheckNodePort") or None,
    )


def endpoint_slice(value: Any) -> EndpointSlice:
    """discovery.k8s.io/v1 EndpointSlice; `service` is "" for slices that no service owns."""
    obj = mapping(value)
    metadata, family = section(obj, "metadata"), text(obj, "addressType")
    return EndpointSlice(
        namespace=required(metadata, "namespace"),
        name=required(metadata, "name"),
        service=labels(metadata, "labels").get(SERVICE_NAME, ""),
        family=family,
        ports=tuple(EndpointPort(text(p, "name"), text(p, "protocol", "TCP"), number(p, "port")) for p in sections(obj, "ports")),
        endpoints=tuple(_endpoint(e, family) for e in sections(obj, "endpoints")),
    )


def replica_set(value: Any) -> ReplicaSet:
    """apps/v1 ReplicaSet."""
    metadata = section(mapping(value), "metadata")
    return ReplicaSet(required(metadata, "namespace"), required(metadata, "name"), owner(metadata))


def owner(metadata: Json) -> Owner | None:
    """The owner that is the controller; the API allows one."""
    for reference in sections(metadata, "ownerReferences"):
        if flag(reference, "controller"):
            return Owner(required(reference, "kind"), required(reference, "name"))
    return None


def condition(status: Json, wanted: str) -> tuple[bool, str]:
    """Whether a condition is true, and its reason; (False, "") where it is not there."""
    for each in sections(status, "conditions"):
        if each.get("type") == wanted:
            return text(each, "status") == "True", text(each, "reason")
    return False, ""


def _service_port(port: Json) -> ServicePort:
    """The API defaults the target to the port; it is a number or a name."""
    number_of = number(port, "port") or 0
    target = port.get("targetPort")
    said = text(port, "targetPort") if isinstance(target, str) else str(number(port, "targetPort") or number_of)
    return ServicePort(text(port, "name"), text(port, "protocol", "TCP"), number_of, said, number(port, "nodePort") or None)


def _endpoint(each: Json, family: str) -> Endpoint:
    """Unknown conditions are true for ready, as ready for serving, false for terminating (API reference, EndpointConditions).

    Slices of family FQDN hold names.
    """
    conditions, target, hints = section(each, "conditions"), section(each, "targetRef"), section(each, "hints")
    ready = flag(conditions, "ready", default=True)
    return Endpoint(
        addresses=addresses(each, "addresses") if family in _OF_IP else texts(each, "addresses"),
        ready=ready,
        serving=flag(conditions, "serving", default=ready),
        terminating=flag(conditions, "terminating"),
        node=text(each, "nodeName"),
        pod=text(target, "name") if text(target, "kind") == "Pod" else "",
        hinted_zones=tuple(text(zone, "name") for zone in sections(hints, "forZones")),
        hinted_nodes=tuple(text(node, "name") for node in sections(hints, "forNodes")),
    )


def _alone(value: str) -> tuple[str, ...]:
    return (value,) if value else ()
