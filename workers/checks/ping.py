"""Echo requests from inside a pod to a host, and what came back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from node_helper.facts import ping
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import Access, Ask, Check, Plan, View, stream
from workers.checks._from_pod import Inside, Resolved, enter, not_resolved, resolve
from workers.model import Evidence, Finding, Severity, Shown, Table
from workers.objects import Service
from workers.params import Arg, DnsName, HostPort, PodTarget

COUNT = 3


@dataclass(frozen=True)
class Params:
    """Whom, from where."""

    host: Annotated[DnsName, Arg("a name or address")]
    pod: Annotated[PodTarget, Arg("the pod to ping from", word="from")]


@dataclass(frozen=True)
class Seen:
    """The echoes of the first address that the pod resolves the host to."""

    inside: Inside
    resolved: Resolved | None = None
    echoes: tuple[ping.Echo, ...] | CannotLook = ()


def plan(params: Params, view: View) -> Plan[Seen]:
    """Enter, resolve, ping."""
    inside = yield from enter(view, params.pod)
    if inside.netns is None:
        return Seen(inside)
    seen = Seen(inside, (yield from resolve(inside, params.host.name)))
    if seen.resolved is None or not seen.resolved.addresses:
        return seen
    query = ping.Query(inside.netns, seen.resolved.addresses[0], COUNT)
    start: tuple[ping.Echo, ...] = ()
    return replace(seen, echoes=(yield from stream(Ask(inside.pod.node, ping.FACT, query), start, _kept)))


def _kept(echoes: tuple[ping.Echo, ...], echo: ping.Echo) -> tuple[ping.Echo, ...]:
    return (*echoes, echo)


def judge(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    """Nothing came back, or not everything."""
    pod = seen.inside.pod
    yield from seen.inside.unseen(view.now)
    yield from not_resolved(seen.inside, seen.resolved, view.now)
    if isinstance(seen.echoes, CannotLook):
        yield findings.unknown(seen.echoes, node=pod.node, what=f"ping from {pod}", now=view.now, subject=str(pod))
        return
    lost = [e for e in seen.echoes if e.outcome != "answered"]
    service = findings.address_of(view, seen.resolved.addresses[0]) if lost and seen.resolved else None
    if service:
        yield _cluster_ip(params, view, seen, service)
    elif lost:
        everything = len(lost) == len(seen.echoes)
        said = "does not answer" if everything else f"answers {COUNT - len(lost)} of {COUNT}"
        yield Finding(
            id="ping-lost",
            severity=Severity.PROBLEM if everything else Severity.WARNING,
            claim=f"{params.host} {said} pings from {pod}",
            evidence=tuple(Evidence(f"ICMP echo {e.sequence} inside {pod}", _words(e), view.now) for e in lost),
            disprove="An echo reply to each request.",
            fix="ICMP may be filtered on purpose: `connect HOST:PORT from POD` tries what an application would.",
            subject=str(params.host),
            node=pod.node,
        )


def _cluster_ip(params: Params, view: View, seen: Seen, service: Service) -> Finding:
    """In iptables and nftables mode kube-proxy translates a cluster IP's ports only: nobody answers an echo request."""
    address = seen.resolved.addresses[0] if seen.resolved else ""
    return Finding(
        id="ping-cluster-ip",
        severity=Severity.INFO,
        claim=f"{params.host} is the cluster IP of service {service}: those answer no pings, so this proves nothing",
        evidence=(Evidence(f"Kubernetes API, service {service}, spec.clusterIPs", address, view.cluster.as_of),),
        disprove="An echo reply; kube-proxy in IPVS mode gives one, whatever the state of the service.",
        fix="Try the service's port from the pod instead.",
        subject=str(service),
        node=seen.inside.pod.node,
        look_further=f"connect {HostPort(address, service.ports[0].port)} from {seen.inside.pod}" if service.ports else "",
    )


def show(params: Params, _view: View, seen: Seen) -> Shown:
    """One row an echo."""
    echoes = () if isinstance(seen.echoes, CannotLook) else seen.echoes
    rows = tuple((str(e.sequence), e.outcome, f"{e.seconds * 1000:.2f} ms", e.sender or "-") for e in echoes)
    address = seen.resolved.addresses[0] if seen.resolved and seen.resolved.addresses else None
    facts = {
        "from": str(seen.inside.pod), "host": str(params.host), "address": address,
        "echoes": [{"sequence": e.sequence, "outcome": e.outcome, "seconds": e.seconds, "sender": e.sender} for e in echoes],
    }  # fmt: skip
    tables = (Table("Echoes", rows, ("sequence", "outcome", "time", "sender")),) if rows else ()
    notes = tuple(filter(None, (seen.inside.note, seen.resolved.note if seen.resolved else "")))
    known_as = "" if address == str(params.host) else f" ({address or 'no address'})"
    return Shown(f"{params.host}{known_as} from inside {seen.inside.pod}", facts, tables, notes=notes)


def _words(echo: ping.Echo) -> str:
    by = f", said {echo.sender}" if echo.sender else ""
    return f"{echo.outcome} after {echo.seconds * 1000:.0f} ms{by}"


CHECK = Check(
    name="ping",
    summary="Ping a host from inside a pod",
    access=Access.PROBE,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("ping 10.244.2.3 from client", "ping hello-world from shop/cart"),
)
