"""Names outside the cluster: whether whom the cluster's DNS asks for them is what fails, and what the search path costs them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from node_helper.facts.dns import DnsAnswer
from workers.checks._dns_differential import Ground
from workers.checks._dns_judge import Answer, fails, silent, words, works
from workers.checks._dns_ways import Ways
from workers.model import Confidence, Evidence, Finding, Severity


def is_outside(name: str, domain: str) -> bool:
    """Whether a name belongs to the DNS outside of the cluster; reverse names are in both."""
    bare = name.rstrip(".").lower()
    return not any(bare == zone or bare.endswith(f".{zone}") for zone in (domain.lower(), "in-addr.arpa", "ip6.arpa"))


def upstream(ways: Ways, name: str, tries: tuple[Answer, ...], root: Answer | None, ground: Ground) -> Finding | None:
    """A name outside that the server fails at each time, while it answers for the cluster's own.

    `root` is the answer for the servers of the root, which tells whether that one name's servers are broken or all beyond;
    it is no proof where it fails otherwise: some upstreams refuse to speak of the root.
    """
    server = ways.servers[0]
    last = tries[-1]
    beyond = is_outside(name, ways.domain) and all(map(fails, tries)) and works(ways.of(server).get("udp"))
    if not beyond or not isinstance(last, DnsAnswer):
        return None
    does = "does not answer" if silent(last) else f"answers {last.rcode}"
    alone, same = works(root), isinstance(root, DnsAnswer) and (root.outcome, root.rcode) == (last.outcome, last.rcode)
    asked = [(name, a) for a in tries] + [("the root's servers", a) for a in (root,) if a]
    return Finding(
        id="dns-upstream-broken",
        severity=Severity.WARNING if alone else Severity.PROBLEM,
        confidence=Confidence.CONFIRMED if same else Confidence.LIKELY,
        claim=f"DNS server {server} {does} for {name}; it answers for "
        + ("other names inside and outside the cluster" if alone else "the cluster's own names"),
        evidence=(
            *(Evidence(f"DNS query for {n} to {server} inside {ground.pod}", words(a), ground.now)
              for n, a in asked if isinstance(a, DnsAnswer)),
            Evidence(f"DNS query for {ways.name} to {server} inside {ground.pod}", _words(ways, server), ground.now),
        ),
        disprove=f"An answer for {name} with NOERROR or NXDOMAIN from {server}.",
        fix=f"See whether {name} resolves elsewhere, and whom the DNS pods ask for its domain (the Corefile's `forward`)."
        if alone
        else "See whom the DNS pods ask for names outside (the Corefile's `forward`), and whether they reach it.",
        subject=name,
        node=ground.pod.node,
        look_further="services in kube-system",
    )  # fmt: skip


def _words(ways: Ways, server: str) -> str:
    answer = ways.of(server)["udp"]
    return words(answer) if isinstance(answer, DnsAnswer) else answer.reason


def amplified(name: str, queries: int, search: int, ndots: int, ground: Ground) -> Iterator[Finding]:
    """For a name with dots that was found as it is, after all of the search path. An address is no name for DNS."""
    dots = name.count(".")
    if not 0 < dots < ndots or search == 0 or _is_address(name):
        return
    yield Finding(
        id="dns-search-amplification",
        severity=Severity.INFO,
        claim=f"{name} costs {queries} DNS queries in {ground.pod}: with ndots:{ndots}, {search} search domains are tried first",
        evidence=(
            Evidence(f"/etc/resolv.conf of {ground.pod}", f"ndots:{ndots}, {search} search domains", ground.now),
            Evidence("names tried until one was found", f"{search + 1} names, {queries} queries", ground.now),
        ),
        disprove=f"{name} found at an earlier step, or a resolver that tries it as it is first.",
        fix=f"Say {name}. with a dot at its end, or set ndots in the pod's dnsConfig to {dots}.",
        subject=str(ground.pod),
        node=ground.pod.node,
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
