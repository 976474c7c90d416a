"""What one nameserver's answer, asked from inside a pod, proves. Shared by `pod` and `dns`."""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts.dns import DnsAnswer
from node_helper.facts.resolv_conf import ResolvConf
from node_helper.protocol import CannotLook
from workers import findings
from workers.model import Evidence, Finding, Severity
from workers.objects import Pod

Answer = DnsAnswer | CannotLook
_SAID = {
    "timeout": "does not answer",
    "refused": "refuses (port closed)",
    "unreachable": "cannot be reached",
    "reset": "hangs up without an answer",
    "malformed": "answers what is not DNS",
}


def works(answer: Answer | None) -> bool:
    """Whether a server did its work: it said what it knows of the name, or that there is no such name."""
    return isinstance(answer, DnsAnswer) and answer.outcome == "answered" and answer.rcode in ("NOERROR", "NXDOMAIN")


def fails(answer: Answer | None) -> bool:
    """Whether it is seen not to work: not having been able to ask is neither."""
    return isinstance(answer, DnsAnswer) and not works(answer)


def silent(answer: Answer | None) -> bool:
    """Whether no answer came."""
    return isinstance(answer, DnsAnswer) and answer.outcome != "answered"


def server(answer: Answer, address: str, name: str, pod: Pod, now: str) -> Iterator[Finding]:
    """`dns-unreachable` or `dns-servfail`, or nothing: a name that does not exist is an answer."""
    if isinstance(answer, CannotLook):
        yield findings.unknown(answer, node=pod.node, what=f"DNS from inside {pod}", now=now, subject=str(pod))
        return
    evidence = (Evidence(f"DNS query for {name} to {address} over {answer.transport} inside {pod}", words(answer), now),)
    if silent(answer):
        cut = f" over TCP: its answer for {name} does not fit into UDP" if answer.truncated else ""
        yield Finding(
            id="dns-unreachable",
            severity=Severity.PROBLEM,
            claim=f"DNS server {address} {how(answer)} from inside {pod}{cut}",
            evidence=evidence,
            disprove=f"An answer from {address} to the same query inside the pod.",
            fix="See whether the DNS pods are ready, whether the node's rules send to them, whether a policy denies port 53.",
            subject=str(pod),
            node=pod.node,
            look_further="services in kube-system",
        )
    elif fails(answer):
        yield failed(answer, address, name, pod, evidence)


def failed(answer: DnsAnswer, address: str, name: str, pod: Pod, evidence: tuple[Evidence, ...]) -> Finding:
    """A server that answers, and says that it could not or would not."""
    return Finding(
        id="dns-servfail",
        severity=Severity.PROBLEM,
        claim=f"DNS server {address} answers {answer.rcode} for {name} from inside {pod}",
        evidence=evidence,
        disprove=f"An answer with NOERROR or NXDOMAIN from {address} to the same query.",
        fix="Read the DNS pods' logs: their upstream, or their own view of the API server, fails.",
        subject=str(pod),
        node=pod.node,
    )


def no_server(conf: ResolvConf, pod: Pod, now: str) -> Finding:
    """A pod whose C library has nobody to ask but its own loopback address, where a node may well have a resolver."""
    as_its_node = pod.dns_policy == "Default" or (pod.host_network and pod.dns_policy == "ClusterFirst")
    return Finding(
        id="dns-unreachable",
        severity=Severity.WARNING if as_its_node else Severity.PROBLEM,
        claim=f"{pod} has no nameserver: its resolv.conf{', as its node has it,' if as_its_node else ''} names none",
        evidence=(Evidence(f"/etc/resolv.conf of {pod}", conf.text[:200] or "empty", now),),
        disprove="A nameserver line in the pod's resolv.conf.",
        fix="Give the node a nameserver, or the pod another dnsPolicy, if it has to resolve names."
        if as_its_node
        else "Correct the pod's dnsPolicy or dnsConfig, or the kubelet's --cluster-dns.",
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


def without_type(name: str, kind: str, pod: Pod, tried: Evidence) -> Finding:
    """A name that is there, and has no record of the type: what asks for another type finds it."""
    return Finding(
        id="dns-name-not-found",
        severity=Severity.INFO,
        claim=f"{name} has no {kind} record from inside {pod}; the name itself exists",
        evidence=(tried,),
        disprove=f"An answer with a record of type {kind} to any of these queries.",
        fix="Nothing, where the other type is enough: a service has addresses of its own IP families alone."
        if kind in ("A", "AAAA")
        else f"Ask for the type that is meant; SRV records of a service are at _PORT._PROTOCOL.{name}.",
        subject=name,
        node=pod.node,
    )


def without_address(name: str, alias: str, pod: Pod, tried: Evidence) -> Finding:
    """A name that is there and of no use: it has an address of neither family, or is an `alias` ("" for none) of such a name.

    So answers DNS for a headless service behind which nothing is ready (kubernetes/dns, specification 2.4.1), and CoreDNS for
    an ExternalName that names nothing (coredns/coredns#6088).
    """
    why = f"it is an alias of {alias}, which has none" if alias else "its name exists, with neither an A nor an AAAA record"
    return Finding(
        id="dns-name-not-found",
        severity=Severity.WARNING,
        claim=f"{name} has no address from inside {pod}: {why}",
        evidence=(tried,),
        disprove="An answer with an A or AAAA record to any of these queries.",
        fix=f"See whether {alias} resolves: an ExternalName service must name a host, not an IP."
        if alias
        else "A headless service has addresses only while a pod behind it is ready, an ExternalName only while its host has.",
        subject=name,
        node=pod.node,
    )


def how(answer: DnsAnswer) -> str:
    """What a server does that does not do its work."""
    return f"answers {answer.rcode}" if answer.outcome == "answered" else _SAID.get(answer.outcome, answer.outcome)


def words(answer: DnsAnswer) -> str:
    """How a question ended, and after which time."""
    records = "1 record" if len(answer.records) == 1 else f"{len(answer.records)} records"
    said = f"{answer.rcode}, {records}" if answer.outcome == "answered" else answer.outcome
    return f"{said} after {answer.seconds * 1000:.0f} ms"
