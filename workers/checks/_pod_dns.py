"""What a pod's nameservers prove, each asked once for a name that every cluster has.

Only who has to know that name can fail at it: the first nameserver of a pod that asks the cluster's DNS, and any that is the
cluster's own. Of others, silence counts alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from node_helper.facts.dns import DnsAnswer
from node_helper.facts.resolv_conf import ResolvConf
from workers import findings
from workers.check import View
from workers.checks import _dns_judge
from workers.checks._dns_judge import silent, words
from workers.checks._dns_ways import is_cache
from workers.checks._pod_seen import Seen
from workers.model import Evidence, Finding, Severity


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """At most one finding a nameserver, and one where there is none."""
    if isinstance(seen.resolv_conf, ResolvConf) and not seen.resolv_conf.nameservers:
        yield _dns_judge.no_server(seen.resolv_conf, seen.pod, view.now)
    knows = next((s for s, a in seen.dns.items() if isinstance(a, DnsAnswer) and a.records), "")
    for server, answer in seen.dns.items():
        if not isinstance(answer, DnsAnswer) or silent(answer):
            yield from _dns_judge.server(answer, server, seen.dns_name, seen.pod, view.now)
        elif _has_to_know(view, seen, server):
            yield from _dns_judge.server(answer, server, seen.dns_name, seen.pod, view.now)
            if answer.rcode == "NXDOMAIN" and seen.cluster_first:
                tried = Evidence(f"DNS query to {server} inside {seen.pod}", f"{seen.dns_name} NXDOMAIN", view.now)
                yield _dns_judge.not_found(seen.dns_name, seen.pod, tried)
        elif knows and not answer.records:
            yield _stranger(view, seen, server, answer, knows)


def _has_to_know(view: View, seen: Seen, server: str) -> bool:
    first = seen.cluster_first and server == next(iter(seen.dns))
    return first or is_cache(server) or findings.address_of(view, server) is not None


def _stranger(view: View, seen: Seen, server: str, answer: DnsAnswer, knows: str) -> Finding:
    """Nameservers have to know the same: glibc turns to the next where one is silent, musl takes whichever is first to answer."""
    return Finding(
        id="dns-name-not-found",
        severity=Severity.WARNING,
        claim=f"Nameserver {server} of {seen.pod} does not know {seen.dns_name}, and {knows} does",
        evidence=tuple(
            Evidence(f"DNS query for {seen.dns_name} to {each} inside {seen.pod}", words(said), view.now)
            for each, said in ((server, answer), (knows, seen.dns[knows]))
            if isinstance(said, DnsAnswer)
        ),
        disprove=f"An answer with records from {server} to the same query inside the pod.",
        fix=f"Take {server} out of the pod's dnsConfig: a C library may ask any of its nameservers for any name, "
        "and the cluster's DNS forwards names outside itself.",
        subject=str(seen.pod),
        node=seen.pod.node,
    )
