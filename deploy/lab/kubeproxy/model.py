"""What a service port and its endpoints are to kube-proxy, and which of the endpoints one node may use.

Source: ``pkg/proxy/serviceport.go``, ``endpoint.go`` and ``topology.go`` of Kubernetes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Family(Enum):
    """An address family, by its IP version; kube-proxy runs once for each."""

    IPV4 = 4
    IPV6 = 6


@dataclass(frozen=True)
class Objects:
    """Lists of Kubernetes API objects in their JSON form, as ``items`` of a list answer holds them."""

    services: Sequence[Mapping[str, Any]]
    endpoint_slices: Sequence[Mapping[str, Any]]
    nodes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class PortName:
    """One port of one service; ``port`` is the port's name, empty where it has none, ``protocol`` is lower case."""

    namespace: str
    service: str
    port: str
    protocol: str

    def __str__(self) -> str:
        """The name in comments and hashes: the protocol is not part of it."""
        return f"{self.namespace}/{self.service}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class Endpoint:
    """One address and port behind a service port; ``zones`` and ``nodes`` are the hints of its slice."""

    ip: str
    port: int
    local: bool
    ready: bool
    serving: bool
    terminating: bool
    zones: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """``ip:port``, an IPv6 address in brackets; kube-proxy sorts endpoints by this text."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    @property
    def draining(self) -> bool:
        """Whether it is used when no endpoint is ready: on its way out and still serving."""
        return self.serving and self.terminating


@dataclass(frozen=True)
class ServicePort:
    """What one service port asks for; addresses are of one family only."""

    name: PortName
    cluster_ip: str
    port: int
    node_port: int | None
    external_ips: tuple[str, ...]
    load_balancer_ips: tuple[str, ...]
    source_ranges: tuple[str, ...]
    affinity_seconds: int | None
    external_local: bool
    internal_local: bool
    health_check_node_port: int | None

    @property
    def externally_accessible(self) -> bool:
        """Whether anything but the cluster IP leads to it."""
        return self.node_port is not None or bool(self.load_balancer_ips) or bool(self.external_ips)

    @property
    def uses_cluster(self) -> bool:
        """Local external traffic needs them too: pods and the node itself are short-circuited."""
        return not self.internal_local or self.externally_accessible

    @property
    def uses_local(self) -> bool:
        """Whether any of its traffic may stay on the node only."""
        return self.internal_local or (self.external_local and self.externally_accessible)


@dataclass(frozen=True)
class Reach:
    """The endpoints that one node may use for a service port, each tuple sorted as kube-proxy sorts."""

    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    anywhere: bool = False

    @property
    def all(self) -> tuple[Endpoint, ...]:
        """Both, each endpoint once."""
        return tuple(sorted({*self.cluster, *self.local}, key=str))


@dataclass(frozen=True)
class RoutedPort:
    """A service port together with where its traffic goes on one node; ``known_endpoints`` counts unusable ones too."""

    service: ServicePort
    reach: Reach
    known_endpoints: int

    @property
    def name(self) -> PortName:
        """The port's name."""
        return self.service.name

    @property
    def internal(self) -> bool:
        """Whether traffic to the cluster IP finds an endpoint."""
        return bool(self.reach.local) if self.service.internal_local else self.reach.anywhere

    @property
    def external(self) -> bool:
        """Whether traffic from outside the cluster finds an endpoint."""
        return bool(self.reach.local) if self.service.external_local else self.reach.anywhere

    @property
    def has_external_chain(self) -> bool:
        """Also without external endpoints: pods and the node are short-circuited there."""
        return self.reach.anywhere and self.service.externally_accessible

    @property
    def firewalled(self) -> bool:
        """Whether load balancer source ranges limit who gets in."""
        return bool(self.service.load_balancer_ips) and bool(self.service.source_ranges)


@dataclass(frozen=True)
class Node:
    """The node whose rules are written; ``ip`` is None where the node has no address of the family."""

    name: str
    zone: str
    ip: str | None
