"""Where a node's virtual servers do something else for a service than its EndpointSlices say.

Source: `syncEndpoint` in pkg/proxy/ipvs/proxier.go of Kubernetes. A real server of weight 0 is one that kube-proxy takes away:
it gets no new connections, so it counts as gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from node_helper.ipvs import VirtualServer
from workers.check import View
from workers.ipvs.routes import Servers
from workers.model import Confidence, Evidence, Finding, Severity
from workers.objects import Service
from workers.rules.compare import Difference, of_route
from workers.rules.desired import Desired, Wanted, comparable
from workers.rules.resolve import Path, Route
from workers.rules.steps import Source

_SHOWN = 4


def drifted(view: View, service: Service, node: str, servers: tuple[VirtualServer, ...]) -> Iterator[Finding]:
    """One finding where they differ, one for node ports that cannot be found. Nothing while the objects are not current."""
    if not comparable(view.cluster, service):
        return
    desired, at = Desired(view.cluster), view.cluster.nodes.get(node)
    known, found, unfound = Servers(servers, at.addresses if at else ()), list[Difference](), list[Wanted]()
    for each in desired.of(service, node):
        if known.can_tell(each.frontend):
            path = known.route(each.frontend).paths[Source.POD]
            found += of_route(_allowed(desired, each, node, path), Route(each.frontend, known.backend, {Source.POD: path}))
        else:
            unfound.append(each)
    if found:
        yield _drift(view, node, service, found)
    if unfound:
        yield _unfound(view, node, service, unfound)


def _allowed(desired: Desired, each: Wanted, node: str, path: Path) -> Wanted:
    """What it may be, whoever asks: with policy Local the node's own endpoints; where it has none, no one's or everyone's."""
    ends = each.endpoints[Source.OUTSIDE]
    everyone = desired.behind(each.service, each.port, each.frontend.family, node).cluster
    return replace(each, endpoints={Source.POD: everyone if not ends and path.addresses == everyone else ends})


def _drift(view: View, node: str, service: Service, found: list[Difference]) -> Finding:
    first = found[0]
    return Finding(
        id="service-rules-drift",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        claim=f"The virtual servers of {node} differ from the EndpointSlices of {service}: {first.subject}, {first.what}",
        evidence=tuple(
            Evidence(f"IPVS on {node}, {d.wanted.frontend}", f"{_did(d)}; wanted: {d.desired}", view.now) for d in found[:_SHOWN]
        ),
        disprove="The same question some seconds later without a difference: kube-proxy had not written its servers yet.",
        fix=f"If it stays so: see whether kube-proxy on {node} works, and who else writes virtual servers there. "
        "Its restart repairs them.",
        subject=first.subject,
        node=node,
        look_further=f"node {node}",
    )


def _did(found: Difference) -> str:
    return "no virtual server" if found.actual in ("nothing", "no rule is about it") else found.actual


def _unfound(view: View, node: str, service: Service, ports: list[Wanted]) -> Finding:
    """Node ports are virtual servers at the node's addresses: without those nobody can say which they are."""
    return Finding(
        id="unknown-fact",
        severity=Severity.UNKNOWN,
        confidence=Confidence.CANNOT_TELL,
        claim=f"Where {node} sends {', '.join(str(each.frontend) for each in ports[:_SHOWN])} cannot be told from its "
        "virtual servers: the node's addresses are not known",
        evidence=(Evidence(f"Kubernetes API, addresses of node {node}", "none of this family", view.cluster.as_of),),
        disprove="The node's addresses, and a virtual server at one of them.",
        fix=f"Look for the port in `ipvs {node}`; for saved evidence, save `kubectl get nodes -o json` as nodes.json.",
        subject=str(service),
        node=node,
    )
