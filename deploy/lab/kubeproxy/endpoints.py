"""Which endpoints of a service port one node sends traffic to.

Ready ones; where there are none, those that terminate and still serve. Hints of the slices narrow them down to the
node's own or its zone's, if every ready endpoint carries such a hint and one of them is meant for this node.
Source: ``CategorizeEndpoints`` in ``pkg/proxy/topology.go`` of Kubernetes.
"""

from collections.abc import Sequence

from deploy.lab.kubeproxy.model import Endpoint, Node, Reach, ServicePort


def reachable(service: ServicePort, endpoints: Sequence[Endpoint], node: Node) -> Reach:
    """Sort them by traffic policy; the order of the endpoints is kept."""
    usable = _usable(endpoints)
    return Reach(
        cluster=_hinted(usable, node) if service.uses_cluster else (),
        local=_usable([each for each in endpoints if each.local]) if service.uses_local else (),
        anywhere=bool(usable),
    )


def _usable(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    ready = tuple(each for each in endpoints if each.ready)
    return ready or tuple(each for each in endpoints if each.draining)


def _hinted(usable: tuple[Endpoint, ...], node: Node) -> tuple[Endpoint, ...]:
    if not all(each.ready for each in usable):
        return usable
    for wanted, hints in ((node.name, [each.nodes for each in usable]), (node.zone, [each.zones for each in usable])):
        chosen = tuple(each for each, hint in zip(usable, hints, strict=True) if wanted in hint)
        if chosen and all(hints):
            return chosen
    return usable
