"""What one nameserver's answer, asked from inside a pod, proves. Shared by `pod` and `dns`."""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts.dns import DnsAnswer
from node_helper.protocol import CannotLook
from workers import findings
from workers.model import Evidence, Finding, Severity
from workers.objects import Pod

_SAID = {
    "timeout": "does not answer",
    "refused": "is refused: nothing listens there",
    "unreachable": "cannot be reached",
    "reset": "resets the connection",
    "malformed": "answers what is not DNS",
}


def server(answer: DnsAnswer | CannotLook, address: str, name: str, pod: Pod, now: str) -> Iterator[Finding]:
    """`dns-unreachable` or `dns-servfail`, or nothing: a name that does not exist is an answer."""
    if isinstance(answer, CannotLook):
        yield findings.unknown(answer, node=pod.node, what=f"DNS from inside {pod}", now=now, subject=str(pod))
        return
    evidence = (Evidence(f"DNS query for {name} to {address} over {answer.transport} inside {pod}", _words(answer), now),)
    if answer.outcome != "answered":
        yield Finding(
            id="dns-unreachable",
            severity=Severity.PROBLEM,
            claim=f"DNS server {address} {_SAID.get(answer.outcome, answer.outcome)} from inside {pod}",
            evidence=evidence,
            disprove=f"An answer from {address} to the same query inside the pod.",
            fix="See whether the DNS pods are ready, whether the node's rules send to them, whether a policy denies port 53.",
            subject=str(pod),
            node=pod.node,
            look_further="services in kube-system",
        )
    elif answer.rcode in ("SERVFAIL", "REFUSED"):
        yield Finding(
            id="dns-servfail",
            severity=Severity.PROBLEM,
            claim=f"DNS server {address} answers {answer.rcode} for {name} from inside {pod}",
            evidence=evidence,
            disprove=f"An answer with NOERROR or NXDOMAIN from {address} to the same query.",
            fix="Read the DNS pods' logs: their upstream, or their own view of the API server, fails.",
            subject=str(pod),
            node=pod.node,
        )


def not_found(name: str, pod: Pod, tried: Evidence) -> Finding:
    """Every step of the search path was answered, and none holds the name."""
    return Finding(
        id="dns-name-not-found",
        severity=Severity.WARNING,
        claim=f"{name} is not found from inside {pod}: no step of its search path holds it",
        evidence=(tried,),
        disprove="An answer with records to any of these queries.",
        fix="Check the spelling, the namespace, and whether the service exists.",
        subject=name,
        node=pod.node,
    )


def _words(answer: DnsAnswer) -> str:
    said = f"{answer.rcode}, {len(answer.records)} records" if answer.outcome == "answered" else answer.outcome
    return f"{said} after {answer.seconds * 1000:.0f} ms"
