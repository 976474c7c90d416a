"""From the words of a person to one object of the cluster, or to the candidates. Pure.

A bare name is looked for in the namespace of the channel first, then in all. A name, prefix, selector or workload behind which
the replicas of one workload stand means the one of them that looks worst, and the others are named in a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from workers.changes.values import NodesTarget
from workers.check import View
from workers.errors import Ambiguous, Unlisted, Unresolved, UsageError
from workers.nearest import nearest
from workers.objects import Key, Node, Owner, Pod, Service
from workers.params import WORKLOADS, NodeTarget, PodTarget, ServiceOrNodeTarget, ServiceTarget

N = TypeVar("N", Pod, Service)
_SHOWN = 10
_NEAR, _NODES_NEAR = 5, 3


@dataclass(frozen=True)
class Located:
    """The pod that was meant, and the other replicas that the same words mean."""

    pod: Pod
    others: tuple[Pod, ...] = ()

    @property
    def note(self) -> str:
        """Says that there are others, "" where there are none."""
        if not self.others:
            return ""
        named = ", ".join(str(p) for p in self.others[:_SHOWN])
        more = f" and {len(self.others) - _SHOWN} more" if len(self.others) > _SHOWN else ""
        return f"{len(self.others) + 1} pods match; this is {self.pod}. The others: {named}{more}."


def pod(view: View, target: PodTarget) -> Located:
    """The pod that a target means. Raises `Unresolved` with candidates or the nearest names."""
    if target.kind in ("svc", "node"):
        raise Unresolved(f"{target} is not a pod; a pod is named pod/{target.name}")
    if target.kind == "ip":
        return _by_ip(view, target.name)
    for space in _spaces(view, target.namespace):
        if found := _matching(view, target, space):
            return _one(view, target, found)
    near = _nearest(target.name, view.cluster.pods, target.namespace or view.namespace)
    owners = ("replica_sets",) if WORKLOADS.get(target.kind) == "Deployment" else ()
    listed(view, f"a pod {target}", str(target), "pods", *owners, near=near)
    raise Unresolved(_no("pod", target), said=str(target), candidates=near)


def service(view: View, target: ServiceTarget, *, or_node: bool = False) -> Service:
    """The service that a target means, by name, unique prefix or cluster IP. Raises `Unresolved`.

    `or_node`: the target is no node that is known; but where nodes were not read it may be one.
    """
    services = view.cluster.services
    what, lists = ("service or node", ("services", "nodes")) if or_node else ("service", ("services",))
    if target.kind == "ip":
        by_ip = [s for s in services.values() if target.name in s.ips]
        if by_ip:
            return by_ip[0]
        listed(view, f"a {what} with the address {target.name}", target.name, *lists)
        raise Unresolved(f"No service has the address {target.name}")
    for space in _spaces(view, target.namespace):
        found = _named(target.name, services, space)
        if len(found) == 1:
            return found[0]
        if found:
            raise Ambiguous(f"{target} could be any of {len(found)} services", said=str(target), candidates=_names(found))
    near = _nearest(target.name, services, target.namespace or view.namespace)
    listed(view, f"a {what} {target}", str(target), *lists, near=near)
    raise Unresolved(_no("service", target), said=str(target), candidates=near)


def node(view: View, target: NodeTarget) -> Node:
    """The node that a target means, by name, unique prefix or address. Raises `Unresolved`."""
    nodes = view.cluster.nodes
    if target.name in nodes:
        return nodes[target.name]
    found = [n for name, n in sorted(nodes.items()) if name.startswith(target.name) or target.name in n.addresses]
    if len(found) == 1:
        return found[0]
    if found:
        names = tuple(n.name for n in found[:_SHOWN])
        raise Ambiguous(f"{target.name} could be any of {len(found)} nodes", said=str(target), candidates=names)
    near = nearest(target.name, nodes, _NODES_NEAR)
    listed(view, f"a node {target.name}", target.name, "nodes", near=near)
    raise Unresolved(f"There is no node {target.name}", said=str(target), candidates=near)


def listed(view: View, what: str, said: str, *kinds: str, near: tuple[str, ...] = ()) -> None:
    """Raises `Unlisted` where one of these lists, which would hold what was not found, is not current."""
    missed = tuple(b.kind for b in view.cluster.behind if b.kind in kinds)
    if missed:
        raise Unlisted(f"Cannot tell whether there is {what}", said=said, candidates=near, kinds=missed)


def nodes(view: View, target: NodesTarget) -> tuple[Node, ...]:
    """The nodes that a target means, each once, by their names in order. Raises `Unresolved`."""
    everything = view.cluster.nodes.values()
    if target.kind == "names":
        found = {n.name: n for name in target.names for n in [node(view, NodeTarget("", name))]}
    elif target.kind == "all":
        found = {n.name: n for n in everything}
    else:
        wanted = _labels(view, target)
        found = {n.name: n for n in everything if wanted.items() <= n.labels.items()}
    if not found:
        listed(view, f"a node that is meant by {target}", str(target), "nodes")
        raise Unresolved(f"No node is meant by {target}", said=str(target))
    return tuple(found[name] for name in sorted(found))


def _labels(view: View, target: NodesTarget) -> dict[str, str]:
    if target.kind == "selector":
        return dict(pair.split("=", 1) for pair in target.names[0].split(","))
    if not view.pool_label:
        raise UsageError(f"{target}: the policy does not say which label of nodes is their pool (pool_label)")
    return {view.pool_label: target.names[0]}


def service_or_node(view: View, target: ServiceOrNodeTarget) -> Service | Node:
    """What a target means: a node where it is the node's whole name or address, else a service. Raises `Unresolved`."""
    meant = NodeTarget(target.kind, target.name)
    if target.kind == "node":
        return node(view, meant)
    if target.kind not in ("", "ip", "svc"):
        raise Unresolved(f"{target} is neither a service nor a node", said=str(target))
    maybe_node = target.kind != "svc" and target.namespace is None
    exact = maybe_node and _is_node(view, target.name)
    try:
        found = service(view, ServiceTarget(target.kind, target.name, target.namespace), or_node=maybe_node)
    except Unresolved:
        if exact:
            return node(view, meant)
        raise
    if exact and found.name == target.name:
        raise Unresolved(
            f"{target} is a node and a service",
            said=str(target),
            candidates=(f"node/{target.name}", f"{found.namespace}/svc/{found.name}"),
        )
    return node(view, meant) if exact else found


def _is_node(view: View, name: str) -> bool:
    return name in view.cluster.nodes or any(name in n.addresses for n in view.cluster.nodes.values())


def any_pod(view: View) -> Pod:
    """A pod from which a question of the namespace can be asked: running, ready, with its own network. Raises `Unresolved`."""
    fit = [p for p in view.cluster.pods.values() if p.namespace == view.namespace and p.ready and p.ips and not p.host_network]
    if not fit:
        listed(view, f"a ready pod in namespace {view.namespace}", f"namespace {view.namespace}", "pods")
        raise Unresolved(f"No pod of namespace {view.namespace} is ready to ask from; say which one with `from POD`")
    return min(fit, key=lambda p: p.key)


def _by_ip(view: View, ip: str) -> Located:
    found = [p for p in view.cluster.pods_with.get(ip, ()) if not p.host_network]
    if not found:
        host = [n.name for n in view.cluster.nodes.values() if ip in n.addresses]
        services = [str(s) for s in view.cluster.services.values() if ip in s.cluster_ips]
        if not host and not services:
            listed(view, f"a pod with the address {ip}", ip, "pods")
        whose = (
            f"it is node {host[0]}'s"
            if host
            else f"it is the cluster IP of service {services[0]}"
            if services
            else "nothing known here has it"
        )
        raise Unresolved(f"No pod has the address {ip}; {whose}")
    first, *others = sorted(found, key=lambda p: (p.phase != "Running", p.key))
    return Located(first, tuple(others))


def _spaces(view: View, named: str | None) -> tuple[str | None, ...]:
    """The namespaces to look in, one after the other; None is all of them."""
    return (named,) if named else (view.namespace, None)


def _matching(view: View, target: PodTarget, space: str | None) -> list[Pod]:
    pods = view.cluster.pods
    if target.kind not in ("selector", *WORKLOADS):
        return _named(target.name, pods, space)
    inside = (p for key, p in pods.items() if space in (None, key[0]))
    if target.kind == "selector":
        wanted = dict(pair.split("=", 1) for pair in target.name.split(","))
        return _in_order(p for p in inside if wanted.items() <= p.labels.items())
    owner = Owner(WORKLOADS[target.kind], target.name)
    return _in_order(p for p in inside if owner in _owners(view, p))


def _named(name: str, objects: Mapping[Key, N], space: str | None) -> list[N]:
    """Those of the whole name, else those whose names begin so. One that is there needs no search among all the others."""
    if space is not None and (space, name) in objects:
        return [objects[space, name]]
    begun = _in_order(o for key, o in objects.items() if key[1].startswith(name) and space in (None, key[0]))
    return [o for o in begun if o.name == name] or begun


def _in_order(found: Iterable[N]) -> list[N]:
    return sorted(found, key=lambda o: o.key)


def _one(view: View, target: PodTarget, found: list[Pod]) -> Located:
    alike = {(p.namespace, _workload(view, p)) for p in found}
    if len(alike) > 1:
        raise Ambiguous(f"{target} could be any of {len(found)} pods", said=str(target), candidates=_names(found))
    worst, *others = sorted(found, key=lambda p: (p.deleting, p.ready, p.key))
    return Located(worst, tuple(others))


def _owners(view: View, pod: Pod) -> tuple[Owner, ...]:
    """The controller of a pod and, for a ReplicaSet, the Deployment behind it."""
    if pod.owner is None:
        return ()
    replica_set = view.cluster.replica_sets.get((pod.namespace, pod.owner.name)) if pod.owner.kind == "ReplicaSet" else None
    return (pod.owner, *([replica_set.owner] if replica_set and replica_set.owner else []))


def _workload(view: View, pod: Pod) -> Owner:
    """What stands behind a pod: the same for the old and new replicas of a Deployment that is being rolled out."""
    return (_owners(view, pod) or (Owner("Pod", pod.name),))[-1]


def _no(what: str, target: PodTarget | ServiceTarget) -> str:
    where = f"in namespace {target.namespace}" if target.namespace else "in any namespace"
    return f"There is no {what} {replace(target, namespace=None)} {where}"


def _nearest(name: str, objects: Mapping[Key, object], namespace: str) -> tuple[str, ...]:
    near = nearest(name, {key[1] for key in objects}, _NEAR)
    ranked = sorted((key for key in objects if key[1] in near), key=lambda key: (near.index(key[1]), key[0] != namespace, key))
    return tuple("/".join(key) for key in ranked[:_NEAR])


def _names(found: Iterable[Pod | Service]) -> tuple[str, ...]:
    return tuple(str(o) for o in found)[:_SHOWN]
