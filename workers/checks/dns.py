"""A name resolved from inside a pod as the pod's own resolver would, every step of the search path shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from node_helper.facts import dns
from node_helper.protocol import CannotLook
from workers.check import Access, Ask, Check, Plan, View, batch
from workers.checks import _dns_judge
from workers.checks._from_pod import Inside, candidates, enter
from workers.model import Evidence, Finding, Severity, Shown, Table
from workers.params import Address, Arg, DnsName, PodTarget

Type = Literal["A", "AAAA", "SRV", "CNAME", "TXT", "PTR", "MX", "NS", "SOA"]


@dataclass(frozen=True)
class Params:
    """What is asked, of whom, from where."""

    name: Annotated[DnsName, Arg("the name; a dot at its end leaves the search path out")]
    pod: Annotated[PodTarget | None, Arg("the pod to ask from", word="from")] = None
    type: Annotated[Type, Arg("the record type")] = "A"
    server: Annotated[Address | None, Arg("a nameserver other than the pod's own")] = None


@dataclass(frozen=True)
class Seen:
    """One answer for each name that the resolver would try, in its order."""

    inside: Inside
    server: str = ""
    steps: tuple[tuple[str, dns.DnsAnswer | CannotLook], ...] = ()

    @property
    def chosen(self) -> tuple[str, dns.DnsAnswer] | None:
        """The first step that holds records, where the resolver stops."""
        return next(((n, a) for n, a in self.steps if isinstance(a, dns.DnsAnswer) and a.rcode == "NOERROR" and a.records), None)


def plan(params: Params, view: View) -> Plan[Seen]:
    """Enter the pod, then ask for every step at once."""
    inside = yield from enter(view, params.pod)
    servers = (str(params.server),) if params.server else inside.resolver.nameservers if inside.resolver else ()
    if inside.netns is None or not servers:
        return Seen(inside)
    names = candidates(params.name.name, inside.resolver) if inside.resolver else (params.name.name.rstrip(".") + ".",)
    queries = {
        n: Ask(inside.pod.node, dns.FACT, dns.Query(inside.netns, servers[0], n, params.type)) for n in dict.fromkeys(names)
    }
    answers = yield from batch(queries)
    return replace(Seen(inside, servers[0]), steps=tuple(answers.items()))


def judge(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    """A server that does not answer, one that fails, and a name that no step finds."""
    yield from seen.inside.unseen(view.now)
    if seen.inside.resolver and not seen.server:
        yield _no_server(view, seen)
    said: set[str] = set()
    for name, answer in seen.steps:
        for finding in _dns_judge.server(answer, seen.server, name, seen.inside.pod, view.now):
            if finding.id not in said:
                said.add(finding.id)
                yield finding
    if seen.steps and not said and not seen.chosen:
        tried = "; ".join(f"{n} {params.type} {a.rcode}" for n, a in seen.steps if isinstance(a, dns.DnsAnswer))
        yield _dns_judge.not_found(str(params.name), seen.inside.pod, Evidence(f"DNS queries to {seen.server}", tried, view.now))


def show(params: Params, _view: View, seen: Seen) -> Shown:
    """One row a step; the one at which the resolver stops is marked."""
    chosen = seen.chosen
    rows = tuple((("→ " if chosen and name == chosen[0] else "") + name, *_row(answer)) for name, answer in seen.steps)
    headline = f"{params.name} {params.type} asked of {seen.server or 'no server'} from inside {seen.inside.pod}"
    table = Table("Search path", rows, ("name tried", "rcode", "answer", "time"))
    facts: dict[str, Any] = {
        "name": str(params.name), "type": params.type, "from": str(seen.inside.pod), "server": seen.server or None,
        "answer": [r.data for r in chosen[1].records] if chosen else [],
        "steps": [_fact(name, answer) for name, answer in seen.steps],
    }  # fmt: skip
    return Shown(headline, facts, (table,) if rows else (), notes=(seen.inside.note,) if seen.inside.note else ())


def _row(answer: dns.DnsAnswer | CannotLook) -> tuple[str, str, str]:
    if isinstance(answer, CannotLook):
        return "?", answer.reason, "-"
    said = ", ".join(f"{r.type} {r.data}" for r in answer.records[:6]) or "no records"
    over = " (TCP, after truncation)" if answer.transport == "tcp" else ""
    return answer.rcode or answer.outcome, said + over if answer.outcome == "answered" else "-", f"{answer.seconds * 1000:.1f} ms"


def _fact(name: str, answer: dns.DnsAnswer | CannotLook) -> dict[str, Any]:
    if isinstance(answer, CannotLook):
        return {"name": name, "outcome": None, "why": answer.reason}
    records = [{"name": r.name, "type": r.type, "ttl": r.ttl, "data": r.data} for r in answer.records]
    return {"name": name, "outcome": answer.outcome, "rcode": answer.rcode, "transport": answer.transport,
            "seconds": answer.seconds, "records": records}  # fmt: skip


def _no_server(view: View, seen: Seen) -> Finding:
    pod, conf = seen.inside.pod, seen.inside.resolver
    text = conf.text[:200] if conf else ""
    return Finding(
        "dns-unreachable", Severity.PROBLEM, f"{pod} has no nameserver: its resolv.conf names none",
        (Evidence(f"/etc/resolv.conf of {pod}", text or "empty", view.now),), "A nameserver line in the pod's resolv.conf.",
        "Correct the pod's dnsPolicy or dnsConfig, or the kubelet's --cluster-dns.", str(pod), pod.node,
    )  # fmt: skip


CHECK = Check(
    name="dns",
    summary="Resolve a name from inside a pod, every step of its search path",
    access=Access.PROBE,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("dns hello-world from client", "dns example.com from shop/cart type=AAAA", "dns db server=10.96.0.10"),
)
