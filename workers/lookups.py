"""What is found in a cluster by something else than its name. Pure.

Each table is made once, at the first question that needs it: a thousand nodes, or ten thousand services, each ask for theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from workers.objects import EndpointSlice, Key, Labels, Node, Pod, Service

K = TypeVar("K")
V = TypeVar("V")
Frontend = tuple[str, str, int]
"""Address, protocol in capitals and port; the address of node ports is ""."""


class Lookups:
    """The tables of one cluster; its objects are as `workers.objects.Cluster` has them."""

    pods: Mapping[Key, Pod]
    nodes: Mapping[str, Node]
    services: Mapping[Key, Service]
    slices: Mapping[Key, EndpointSlice]

    @cached_property
    def slices_of(self) -> Mapping[Key, Sequence[EndpointSlice]]:
        """The slices of each service that has some."""
        return _grouped(((each.namespace, each.service), each) for each in self.slices.values())

    @cached_property
    def endpoint_addresses(self) -> frozenset[str]:
        """Every address of an endpoint, in whatever condition."""
        return frozenset(ip for piece in self.slices.values() for endpoint in piece.endpoints for ip in endpoint.addresses)

    @cached_property
    def pods_on(self) -> Mapping[str, Sequence[Pod]]:
        """The pods of each node that has some."""
        return _grouped((pod.node, pod) for pod in self.pods.values())

    @cached_property
    def pods_with(self) -> Mapping[str, Sequence[Pod]]:
        """The pods that the API gives each address."""
        return _grouped((ip, pod) for pod in self.pods.values() for ip in pod.ips)

    def pods_matching(self, namespace: str, selector: Labels) -> tuple[Pod, ...]:
        """The pods of a namespace that a selector matches; an empty one matches nothing."""
        having = [self._pods_labelled(label).get((namespace, value), []) for label, value in selector.items()]
        return tuple(pod for pod in min(having, key=len, default=()) if selector.items() <= pod.labels.items())

    @cached_property
    def node_addresses(self) -> frozenset[str]:
        """Every address of a node."""
        return frozenset(address for node in self.nodes.values() for address in node.addresses)

    @cached_property
    def services_in(self) -> Mapping[str, Sequence[Service]]:
        """The services of each namespace that has some."""
        return _grouped((service.namespace, service) for service in self.services.values())

    @cached_property
    def service_with(self) -> Mapping[str, Service]:
        """The service whose cluster IP each is."""
        found: dict[str, Service] = {}
        for service in self.services.values():
            for ip in service.cluster_ips:
                found.setdefault(ip, service)
        return found

    @cached_property
    def service_at(self) -> Mapping[Frontend, Service]:
        """The service behind each address and port at which nodes have something for it."""
        found: dict[Frontend, Service] = {}
        for service in self.services.values():
            hosts = (*service.cluster_ips, *service.external_ips, *service.load_balancer_ips)
            for port in service.ports:
                for host in hosts:
                    found.setdefault((host, port.protocol, port.port), service)
                if port.node_port is not None:
                    found.setdefault(("", port.protocol, port.node_port), service)
        return found

    @cached_property
    def _labels_read(self) -> dict[str, dict[Key, list[Pod]]]:
        return {}

    def _pods_labelled(self, label: str) -> Mapping[Key, list[Pod]]:
        """The pods by their namespace and the value that this label has: selectors use few labels of the many that pods have."""
        if label not in self._labels_read:
            having = (pod for pod in self.pods.values() if label in pod.labels)
            self._labels_read[label] = _grouped(((pod.namespace, pod.labels[label]), pod) for pod in having)
        return self._labels_read[label]


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """The values of each key, in their order."""
    found: dict[K, list[V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
