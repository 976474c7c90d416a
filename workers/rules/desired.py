"""What a node's rules should do for a service, from the API's objects alone (pkg/proxy/topology.go of Kubernetes).

Ready endpoints; where there are none, those that terminate and still serve. Hints of the slices narrow down the endpoints of
policy Cluster where each ready one carries one and some are meant for this node or its zone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from workers.objects import Cluster, Endpoint, EndpointSlice, Node, Service, ServicePort
from workers.rules.resolve import Frontend
from workers.rules.steps import Source

_ZONE = "topology.kubernetes.io/zone"
_FAMILIES = {"IPv4": "ip", "IPv6": "ip6"}


@dataclass(frozen=True)
class Wanted:
    """One frontend of a service on one node: its endpoints, sorted, for each source; how long clients stay with theirs."""

    service: Service
    port: ServicePort
    frontend: Frontend
    kind: str
    endpoints: dict[Source, tuple[str, ...]]
    sticky_s: int | None

    @property
    def subject(self) -> str:
        """The service port as people write it: shop/web:http."""
        return f"{self.service}:{self.port.name or self.port.port}"


@dataclass(frozen=True)
class Behind:
    """The endpoints of one service port and family that one node may use."""

    cluster: tuple[str, ...]
    local: tuple[str, ...]


class Desired:
    """What the objects of one cluster want."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def of(self, service: Service, node: str) -> tuple[Wanted, ...]:
        """Every frontend that kube-proxy makes rules for on this node: none for headless services and external names."""
        return tuple(each for port in service.ports for each in self._of_port(service, port, node))

    def behind(self, service: Service, port: ServicePort, family: str, node: str) -> Behind:
        """The endpoints of a port; `family` is ip or ip6."""
        known = [each for piece in self._cluster.slices_of.get(service.key, ()) for each in _in_slice(piece, port, family)]
        local = _usable([(e, address) for e, address in known if e.node == node])
        return Behind(_addresses(_hinted(_usable(known), node, self._cluster.nodes.get(node))), _addresses(local))

    def _of_port(self, service: Service, port: ServicePort, node: str) -> Iterator[Wanted]:
        for frontend, kind in frontends(service, port):
            found = self.behind(service, port, frontend.family, node)
            local = (service.internal_policy if kind == "cluster IP" else service.external_policy) == "Local"
            inside = found.local if local and kind == "cluster IP" else found.cluster
            ends = {Source.POD: inside, Source.NODE: inside, Source.OUTSIDE: found.local if local else found.cluster}
            yield Wanted(service, port, frontend, kind, ends, service.affinity_s if service.affinity == "ClientIP" else None)


def comparable(cluster: Cluster, service: Service) -> bool:
    """Whether the objects are current from which is told what a node should do for a service."""
    return not {b.kind for b in cluster.behind} & {"services", "slices", *(["nodes"] if hinted(cluster, service) else [])}


def hinted(cluster: Cluster, service: Service) -> bool:
    """Whether it depends on a node's zone or name which endpoints it should use."""
    return any(e.hinted_zones or e.hinted_nodes for s in cluster.slices_of.get(service.key, ()) for e in s.endpoints)


def frontends(service: Service, port: ServicePort) -> Iterator[tuple[Frontend, str]]:
    """Every address of a service port, and what kind of address it is; kube-proxy leaves families without a cluster IP alone."""
    if not service.cluster_ips or service.other_proxy:
        return
    protocol, families = port.protocol.lower(), sorted({_family(ip) for ip in service.cluster_ips})
    kinds = {
        "cluster IP": service.cluster_ips,
        "external IP": service.external_ips,
        "load balancer IP": service.load_balancer_ips,
    }
    for kind, ips in kinds.items():
        for ip in ips:
            if (family := _family(ip)) in families:
                yield Frontend(family, ip, port.port, protocol), kind
    if port.node_port is not None:
        for family in families:
            yield Frontend(family, "", port.node_port, protocol), "node port"


def _family(ip: str) -> str:
    return "ip" if ipaddress.ip_address(ip).version == 4 else "ip6"  # noqa: PLR2004  (the version of IP)


def _in_slice(piece: EndpointSlice, port: ServicePort, family: str) -> Iterator[tuple[Endpoint, str]]:
    if _FAMILIES.get(piece.family) != family:
        return
    for number in {p.port for p in piece.ports if (p.name, p.protocol) == (port.name, port.protocol) and p.port is not None}:
        for endpoint in piece.endpoints:
            if endpoint.addresses:
                ip = endpoint.addresses[0]
                yield endpoint, f"[{ip}]:{number}" if ":" in ip else f"{ip}:{number}"


def _usable(known: list[tuple[Endpoint, str]]) -> list[tuple[Endpoint, str]]:
    ready = [each for each in known if each[0].ready]
    return ready or [each for each in known if each[0].serving and each[0].terminating]


def _hinted(usable: list[tuple[Endpoint, str]], node: str, at: Node | None) -> list[tuple[Endpoint, str]]:
    if not usable or not all(e.ready for e, _ in usable):
        return usable
    zone = at.labels.get(_ZONE, "") if at else ""
    for mine, hints in ((node, [e.hinted_nodes for e, _ in usable]), (zone, [e.hinted_zones for e, _ in usable])):
        chosen = [each for each, hint in zip(usable, hints, strict=True) if mine and mine in hint]
        if chosen and all(hints):
            return chosen
    return usable


def _addresses(found: list[tuple[Endpoint, str]]) -> tuple[str, ...]:
    return tuple(sorted({address for _, address in found}))
