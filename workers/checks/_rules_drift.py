"""Where a node's rules do something else for a service than its EndpointSlices say, and where no rules do anything for services.

Source: kubernetes/kubernetes#28674 (finding stale kube-proxies), #67875. One look cannot tell rules that stay wrong from rules
that kube-proxy is about to write.
"""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.netfilter.records import Ruleset
from node_helper.programs import Programs
from workers.check import View
from workers.checks._node_proxy import grouped
from workers.checks._rules_seen import Seen, of_service
from workers.model import Confidence, Evidence, Finding, Severity
from workers.objects import Service
from workers.rules.compare import Difference, of_route
from workers.rules.desired import Desired, comparable
from workers.rules.resolve import Rules

_SHOWN = 4


def drifted(view: View, seen: Seen, service: Service) -> Iterator[Finding]:
    """One finding for each node and backend whose rules differ. Nothing is said while the objects are not current."""
    if not comparable(view.cluster, service):
        return
    desired = Desired(view.cluster)
    for (node, backend, family), answer in seen.found.items():
        if isinstance(answer, Ruleset) and not seen.by_ipvs(node):
            rules = Rules(answer)
            wanted = [each for each in desired.of(service, node) if each.frontend.family == family]
            found = [d for each in wanted for d in of_route(each, rules.route(each.frontend)) if d.what != "unread"]
            if found:
                yield _drift(view, node, backend, service, found)


def _drift(view: View, node: str, backend: str, service: Service, found: list[Difference]) -> Finding:
    first = found[0]
    return Finding(
        id="service-rules-drift",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        claim=f"The rules of {node} differ from the EndpointSlices of {service}: {first.subject}, {first.what}",
        evidence=tuple(
            Evidence(
                f"{backend} on {node}, {d.wanted.frontend} from {d.source.value}", f"{d.actual}; wanted: {d.desired}", view.now
            )
            for d in found[:_SHOWN]
        ),
        disprove="The same question some seconds later without a difference: kube-proxy had not written its rules yet.",
        fix=f"If it stays so: see whether kube-proxy on {node} works, and who else writes rules there. Its restart repairs them.",
        subject=first.subject,
        node=node,
        look_further=f"node {node}",
    )


def unhandled(view: View, seen: Seen) -> Iterator[Finding]:
    """Services, and nothing on the node that does something for them: something else does, or nothing."""
    services = [seen.service] if seen.service else list(view.cluster.services.values())
    if not any(next(of_service(service), None) for service in services):
        return
    for node in seen.without_rules:
        programs = seen.programs.get(node)
        found = grouped(programs.programs) if isinstance(programs, Programs) else {}
        yield Finding(
            id="dataplane-not-evaluated",
            severity=Severity.UNKNOWN,
            confidence=Confidence.CANNOT_TELL,
            claim=f"No rules and no virtual servers on {node} are about services; "
            + (f"eBPF programs ({', '.join(found)}) were not evaluated" if found else "who handles them there cannot be told"),
            evidence=(
                Evidence(f"packet filters and IPVS of {node}", "no chain or map of kube-proxy's in any table", view.now),
                *(Evidence(where, what, view.now) for where, what in found.items()),
            ),
            disprove="KUBE-SERVICES, the table kube-proxy or virtual servers on this node.",
            fix="Ask the tool that the programs belong to, such as `cilium service list`."
            if found
            else "See whether kube-proxy runs.",
            node=node,
            look_further=f"node {node}",
        )
