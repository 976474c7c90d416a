"""Findings that many checks make: what could not be seen, and what the cluster's own objects say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from node_helper.protocol import CannotLook
from workers.check import View
from workers.model import Confidence, Evidence, Finding, Severity
from workers.objects import Endpoint, EndpointSlice, Pod, Service
from workers.rules.desired import hinted

_SHARING_SHOWN = 5
_NODE_KINDS = frozenset({"unreachable", "timeout", "denied", "old-helper", "missing-helper", "host-key"})


def unknown(cannot: CannotLook, *, node: str, what: str, now: str, subject: str = "") -> Finding:
    """Not having been able to look, as a finding: `what` is what stayed unseen."""
    return Finding(
        id="unknown-node" if cannot.kind in _NODE_KINDS else "unknown-fact",
        severity=Severity.UNKNOWN,
        confidence=Confidence.CANNOT_TELL,
        claim=f"Could not look at {what} on {node}",
        evidence=(Evidence(f"asking {node}", cannot.reason, now),),
        disprove=f"An answer from {node} would show {what}.",
        fix=cannot.fix or "Run it again; if it stays so, `netcheck-bot doctor` says what is wrong with this node.",
        subject=subject,
        node=node,
    )


def cluster_gaps(view: View, *kinds: str) -> Iterator[Finding]:
    """One `unknown-cluster` for each kind that this check needs and that could never be read, or is no longer current."""
    for behind in view.cluster.behind:
        if behind.kind in kinds:
            old = f"was last current {behind.since_s:.0f} s ago" if behind.since_s else "is not whole"
            state = "has not been read" if behind.never else old
            yield Finding(
                id="unknown-cluster",
                severity=Severity.UNKNOWN,
                confidence=Confidence.CANNOT_TELL,
                claim=f"Kubernetes' list of {behind.kind} {state}",
                evidence=(Evidence(f"Kubernetes API, list and watch of {behind.kind}", behind.reason, view.now),),
                disprove="A current list from the Kubernetes API.",
                fix=behind.fix or "Check that the API server answers and that the service account may list and watch this kind.",
                subject=behind.kind,
            )


def unread(view: View, kind: str) -> bool:
    """Whether a kind could never be read: what the cluster then has none of proves nothing."""
    return any(b.kind == kind and b.never for b in view.cluster.behind)


def nodes_gap(view: View) -> Iterator[Finding]:
    """The same for the nodes of which each is asked, where nothing else says which there are: saved files of nodes do."""
    if any(b.kind == "nodes" and (not b.never or not view.cluster.nodes) for b in view.cluster.behind):
        yield from cluster_gaps(view, "nodes")
    yield from no_node(view)


def service_gaps(view: View, service: Service, *kinds: str, everywhere: bool) -> Iterator[Finding]:
    """What was not read of all that tells what nodes should do for a service; `everywhere`: every node is asked."""
    of_nodes = hinted(view.cluster, service)
    yield from cluster_gaps(view, *kinds, *(["nodes"] if of_nodes else []))
    if everywhere:
        yield from no_node(view) if of_nodes else nodes_gap(view)


def no_node(view: View) -> Iterator[Finding]:
    """A current list of nodes without a node in it: nobody was asked, so nothing is healthy."""
    if not view.cluster.nodes and not any(b.kind == "nodes" for b in view.cluster.behind):
        yield Finding(
            id="unknown-cluster",
            severity=Severity.UNKNOWN,
            confidence=Confidence.CANNOT_TELL,
            claim="No node was asked: Kubernetes' list of nodes is empty",
            evidence=(Evidence("Kubernetes API, list of nodes", "no node", view.cluster.as_of),),
            disprove="A list with the nodes of this cluster.",
            fix="Check that this is the cluster that you mean, and that its list of nodes is whole.",
            subject="nodes",
        )


def duplicate_ip(view: View, pod: Pod, told: Collection[str] = ()) -> Iterator[Finding]:
    """Other running pods with an address of this one, one finding an address (kubernetes/kubernetes#43910).

    Of addresses that were `told` of nothing is said.
    """
    if pod.host_network or pod.phase != "Running":
        return
    for ip in sorted(set(pod.ips).difference(told)):
        others = [other for other in view.cluster.pods_with.get(ip, ()) if _may_share(other, pod)]
        if others:
            yield _duplicate(view, ip, pod, others)


def _may_share(other: Pod, pod: Pod) -> bool:
    return other.key != pod.key and not other.host_network and other.phase == "Running"


def _duplicate(view: View, ip: str, pod: Pod, others: list[Pod]) -> Finding:
    shown, more = others[:_SHARING_SHOWN], len(others) - _SHARING_SHOWN
    alone = len(others) == 1
    named = ", ".join(map(str, shown)) + (f" and {more} more" if more > 0 else "")
    nodes = " and ".join(dict.fromkeys(other.node for other in (pod, *shown)))
    return Finding(
        id="duplicate-pod-ip",
        severity=Severity.PROBLEM,
        claim=f"{pod} and {named} {'both' if alone else 'all'} have the address {ip}",
        evidence=tuple(
            Evidence(f"Kubernetes API, pod {p}, status.podIPs", f"{', '.join(p.ips)} on {p.node}", view.cluster.as_of)
            for p in (pod, *shown)
        ),
        disprove=f"{'One of the two pods' if alone else 'All of the pods but one'} being gone or having another address "
        "in the API.",
        fix=f"Delete {'one of the two pods' if alone else 'all of the pods but one'}, then look for leaked leases in the CNI's "
        f"IPAM on {nodes}.",
        subject=str(pod),
        node=pod.node,
        look_further=f"pod {others[0]}",
    )


def no_endpoints(view: View, service: Service) -> Iterator[Finding]:
    """A service behind which nothing is ready: every node refuses or drops connections; a headless one's name leads nowhere.

    Source: pkg/proxy/README of kube-proxy and the EndpointSlice conditions (kubernetes.io, EndpointSlices).
    Nothing is said of slices that were never read, and no reason is given by pods that were not. Without a selector somebody
    else makes the slices (the API server those of default/kubernetes); what another proxy than kube-proxy does is not known.
    """
    if unread(view, "slices") or service.type == "ExternalName" or (service.other_proxy and not service.selector):
        return
    slices = _slices_of(view, service)
    endpoints = endpoints_of(view, service)
    if any(e.ready or (service.publish_not_ready and e.addresses) for e in endpoints) or any(
        e.serving and e.terminating for e in endpoints
    ):
        return
    behind = _behind(view, service) if service.selector else _BY_HAND
    named = bool(service.selector) and any(s.endpoints and not s.ports for s in slices)
    why = "a named target port is on no container" if named else behind.why
    yield Finding(
        id="service-no-endpoints",
        severity=Severity.PROBLEM,
        claim=f"Service {service} has no ready endpoint{f': {why}' if why else ''}",
        evidence=(
            Evidence(
                f"Kubernetes API, EndpointSlices of {service}",
                f"{len(endpoints)} endpoints with ports, none ready" if slices else "no EndpointSlice",
                view.cluster.as_of,
            ),
            *behind.evidence,
        ),
        disprove="An EndpointSlice of this service with an endpoint whose `ready` condition is true.",
        fix=_name_port(service) if named else behind.fix,
        subject=str(service),
        look_further=behind.look_further,
    )


@dataclass(frozen=True)
class _Behind:
    """What the pods that a selector matches tell of a service without endpoints: why that is, "" where they do not tell."""

    why: str
    fix: str
    evidence: tuple[Evidence, ...] = ()
    look_further: str = ""


_BY_HAND = _Behind("", "Give it an EndpointSlice with a ready endpoint and the service's ports, or a selector that matches pods.")
"""Without a selector."""


def _behind(view: View, service: Service) -> _Behind:
    wanted = ",".join(f"{k}={v}" for k, v in sorted(service.selector.items()))
    if unread(view, "pods"):
        return _Behind("", f"See whether pods match {wanted}, and whether one of them is ready.")
    chosen = view.cluster.pods_matching(service.namespace, service.selector)
    evidence = (Evidence(f"Kubernetes API, pods matching {wanted}", _named(chosen), view.cluster.as_of),)
    if not chosen:
        return _Behind(f"no pod matches {wanted}", "Correct the selector, or start the pods it means.", evidence)
    not_ready = [str(p) for p in chosen if not p.ready]
    why, fix = f"{_matching(len(chosen))} {wanted}, none is ready", "Make a pod ready that the selector matches."
    return _Behind(why, fix, evidence, f"pod {not_ready[0]}" if not_ready else "")


def _matching(count: int) -> str:
    return "1 pod matches" if count == 1 else f"{count} pods match"


def _named(chosen: Sequence[Pod]) -> str:
    """The first of them, those that are not ready before the others."""
    some = [f"{p}{'' if p.ready else ' (not ready)'}" for p in sorted(chosen, key=lambda p: p.ready)]
    return ", ".join(some[:5]) + (f" and {len(some) - 5} more" if len(some) > 5 else "") if some else "none"  # noqa: PLR2004


def _name_port(service: Service) -> str:
    named = ", ".join(sorted({p.target for p in service.ports if not p.target.isdigit()}))
    return f"Name a container's port {named or 'as targetPort says'}, or correct targetPort."


def endpoints_of(view: View, service: Service) -> list[Endpoint]:
    """The endpoints of a service that its ports reach: a slice without ports (a missing named target port) reaches none."""
    return [e for s in _slices_of(view, service) if s.ports or service.headless for e in s.endpoints]


def _slices_of(view: View, service: Service) -> Sequence[EndpointSlice]:
    return view.cluster.slices_of.get(service.key, ())


def address_of(view: View, ip: str) -> Service | None:
    """The service whose cluster IP this is."""
    return view.cluster.service_with.get(ip)


def services_of(view: View, pod: Pod) -> list[Service]:
    """The services whose selector matches a pod."""
    return [s for s in view.cluster.services_in.get(pod.namespace, ()) if selects(s.selector, pod.labels)]


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a service's selector matches these labels; an empty one matches nothing."""
    return bool(selector) and selector.items() <= labels.items()
