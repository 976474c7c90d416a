"""Kubernetes API objects read into the records that the rules are written from, for one node and one family.

Source: ``newBaseServiceInfo`` in ``pkg/proxy/serviceport.go``, ``pkg/proxy/endpointslicecache.go`` and
``ShouldSkipService`` in ``pkg/proxy/util`` of Kubernetes.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from deploy.lab.kubeproxy.endpoints import reachable
from deploy.lab.kubeproxy.model import Endpoint, Family, Node, Objects, PortName, RoutedPort, ServicePort

Api = Mapping[str, Any]

_OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
_HEADLESS = "service.kubernetes.io/headless"
_SERVICE_NAME = "kubernetes.io/service-name"
_ZONE = "topology.kubernetes.io/zone"
_ADDRESS_TYPES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}


class UnknownNodeError(LookupError):
    """The node whose rules are wanted is not among the node objects."""


def routed_ports(objects: Objects, node: Node, family: Family) -> tuple[RoutedPort, ...]:
    """Every service port that has a cluster IP of this family, in the order of the objects."""
    endpoints = _endpoints(objects.endpoint_slices, node, family)
    return tuple(
        RoutedPort(port, reachable(port, endpoints.get(port.name, ()), node), len(endpoints.get(port.name, ())))
        for service in objects.services
        for port in _service_ports(service, family)
    )


def find_node(objects: Objects, name: str, family: Family) -> Node:
    """The named node; raises :class:`UnknownNodeError`."""
    for node in objects.nodes:
        if node["metadata"]["name"] == name:
            zone = (node["metadata"].get("labels") or {}).get(_ZONE, "")
            return Node(name, zone, _node_ip(node, family))
    known = ", ".join(sorted(node["metadata"]["name"] for node in objects.nodes)) or "none"
    raise UnknownNodeError(f"no node object named {name!r} (known: {known}); add it to the objects")


def cidr_of_family(cidrs: str | None, family: Family) -> str | None:
    """The one of this family in a flag that holds one network, or two with a comma between."""
    chosen = networks_of_family(cidrs.split(","), family) if cidrs else ()
    return chosen[0] if chosen else None


def of_family(addresses: Sequence[str], family: Family) -> tuple[str, ...]:
    """Those of this family, in canonical form."""
    parsed = (ip_address(address) for address in addresses)
    return tuple(str(address) for address in parsed if address.version == family.value)


def networks_of_family(networks: Sequence[str], family: Family) -> tuple[str, ...]:
    """Those of this family, in canonical form; the API lets blanks stand around a range."""
    parsed = (ip_network(network.strip(), strict=False) for network in networks)
    return tuple(str(network) for network in parsed if network.version == family.value)


def _node_ip(node: Api, family: Family) -> str | None:
    addresses = node.get("status", {}).get("addresses") or ()
    for kind in ("InternalIP", "ExternalIP"):
        for ip in of_family([a["address"] for a in addresses if a["type"] == kind], family):
            return ip
    return None


def _service_ports(service: Api, family: Family) -> Iterator[ServicePort]:
    spec, labels = service["spec"], service["metadata"].get("labels") or {}
    if _OTHER_PROXY in labels or spec.get("type") == "ExternalName" or spec.get("clusterIP", "") in ("", "None"):
        return
    for cluster_ip in of_family(spec.get("clusterIPs") or [spec["clusterIP"]], family)[:1]:
        for port in spec.get("ports") or ():
            yield _service_port(service, port, cluster_ip, family)


def _service_port(service: Api, port: Api, cluster_ip: str, family: Family) -> ServicePort:
    spec = service["spec"]
    return ServicePort(
        name=_port_name(service["metadata"]["namespace"], service["metadata"]["name"], port),
        cluster_ip=cluster_ip,
        port=port["port"],
        node_port=port.get("nodePort") or None,
        external_ips=of_family(spec.get("externalIPs") or (), family),
        load_balancer_ips=of_family(_virtual_ips(service), family),
        source_ranges=networks_of_family(spec.get("loadBalancerSourceRanges") or (), family),
        affinity_seconds=_affinity_seconds(spec),
        external_local=_is_local_outside(spec),
        internal_local=spec.get("internalTrafficPolicy") == "Local",
        health_check_node_port=_health_check_port(spec),
    )


def _is_local_outside(spec: Api) -> bool:
    leads_outside = spec.get("type") in ("LoadBalancer", "NodePort") or bool(spec.get("externalIPs"))
    return leads_outside and spec.get("externalTrafficPolicy") == "Local"


def _health_check_port(spec: Api) -> int | None:
    """Where a load balancer asks whether this node has endpoints; one that may use any node need not ask."""
    asks = spec.get("type") == "LoadBalancer" and _is_local_outside(spec)
    return spec.get("healthCheckNodePort") or None if asks else None


def _virtual_ips(service: Api) -> list[str]:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    return [each["ip"] for each in ingress if each.get("ip") and each.get("ipMode", "VIP") == "VIP"]


def _affinity_seconds(spec: Api) -> int | None:
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    return int(spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"])


def _port_name(namespace: str, service: str, port: Api) -> PortName:
    return PortName(namespace, service, port.get("name") or "", port.get("protocol", "TCP").lower())


def _endpoints(slices: Sequence[Api], node: Node, family: Family) -> dict[PortName, tuple[Endpoint, ...]]:
    found: dict[PortName, dict[str, Endpoint]] = {}
    for piece in slices:
        labels = piece["metadata"].get("labels") or {}
        if piece["addressType"] != _ADDRESS_TYPES[family] or _HEADLESS in labels or _SERVICE_NAME not in labels:
            continue
        for port in piece.get("ports") or ():
            seen = found.setdefault(_port_name(piece["metadata"]["namespace"], labels[_SERVICE_NAME], port), {})
            for endpoint in _slice_endpoints(piece, port, node):
                # Two slices can name one endpoint for a moment; the one that knows it is local is right.
                if endpoint.local or str(endpoint) not in seen:
                    seen[str(endpoint)] = endpoint
    return {name: tuple(by_text[text] for text in sorted(by_text)) for name, by_text in found.items()}


def _slice_endpoints(piece: Api, port: Api, node: Node) -> Iterator[Endpoint]:
    if not port.get("port"):
        return
    for endpoint in piece.get("endpoints") or ():
        conditions, hints = endpoint.get("conditions") or {}, endpoint.get("hints") or {}
        ready = conditions.get("ready") is not False
        serving = conditions.get("serving")
        yield Endpoint(
            ip=str(ip_address(endpoint["addresses"][0])),
            port=port["port"],
            local=endpoint.get("nodeName") == node.name,
            ready=ready,
            serving=ready if serving is None else serving,
            terminating=conditions.get("terminating") is True,
            zones=frozenset(zone["name"] for zone in hints.get("forZones") or ()),
            nodes=frozenset(each["name"] for each in hints.get("forNodes") or ()),
        )
