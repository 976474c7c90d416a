"""A TCP handshake from inside a pod with a host and port, closed at once, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

from node_helper.facts import connect
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import Access, Ask, Check, Plan, View, batch
from workers.checks._from_pod import Inside, Resolved, enter, is_foreign, not_resolved, resolve
from workers.model import Confidence, Evidence, Finding, Severity, Shown, Table
from workers.objects import Pod, Service
from workers.params import Arg, HostPort, PodTarget

MOST_ADDRESSES = 4
_SAID = {
    "timeout": "does not answer",
    "refused": "refuses the connection",
    "unreachable": "cannot be reached",
    "reset": "resets the connection",
}


@dataclass(frozen=True)
class Params:
    """Whom, from where."""

    target: Annotated[HostPort, Arg("HOST:PORT")]
    pod: Annotated[PodTarget, Arg("the pod to connect from", word="from")]


@dataclass(frozen=True)
class Seen:
    """How the handshake with each address ended."""

    inside: Inside
    resolved: Resolved | None = None
    handshakes: dict[str, connect.Connected | CannotLook] = field(default_factory=dict)

    @property
    def foreign(self) -> tuple[str, ...]:
        """The addresses of an IP family that the pod has not. Programs do without them where there are others; so does this."""
        addresses = self.resolved.addresses if self.resolved else ()
        foreign = tuple(a for a in addresses if is_foreign(a, self.inside.pod))
        return foreign if len(foreign) < len(addresses) else ()


def plan(params: Params, view: View) -> Plan[Seen]:
    """Enter, resolve, connect to every address at once, as far as the pod has its IP family."""
    inside = yield from enter(view, params.pod)
    if inside.netns is None:
        return Seen(inside)
    seen = Seen(inside, (yield from resolve(inside, params.target.host)))
    own = [a for a in seen.resolved.addresses if a not in seen.foreign] if seen.resolved else []
    queries = {a: connect.Query(inside.netns, a, params.target.port) for a in own[:MOST_ADDRESSES]}
    return replace(seen, handshakes=(yield from batch({a: Ask(inside.pod.node, connect.FACT, q) for a, q in queries.items()})))


def judge(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    """A port that the service does not have, else one finding for each address that did not accept, or that was not asked."""
    pod = seen.inside.pod
    yield from seen.inside.unseen(view.now)
    yield from not_resolved(seen.inside, seen.resolved, view.now)
    portless = _portless(params, view, seen)
    yield from (_no_such_port(params, view, seen, service) for service in {s.key: s for s in portless.values()}.values())
    for address, ended in seen.handshakes.items():
        if address in portless:
            continue
        if isinstance(ended, CannotLook):
            yield findings.unknown(ended, node=pod.node, what=f"a connection from {pod}", now=view.now, subject=str(pod))
        elif _is_redirected(ended, pod):
            yield _redirected(params, view, seen, address, ended)
        elif ended.outcome == "no-port":
            yield _no_port_left(params, view, seen, address, ended)
        elif ended.outcome != "answered":
            yield _failed(params, view, seen, address, ended)


def _failed(params: Params, view: View, seen: Seen, address: str, ended: connect.Connected) -> Finding:
    pod = seen.inside.pod
    at = f" at {address}" if len(seen.handshakes) > 1 else ""
    return Finding(
        id="connect-failed",
        severity=Severity.PROBLEM,
        claim=f"{params.target}{at} {_SAID.get(ended.outcome, ended.outcome)} from inside {pod}",
        evidence=(_evidence(params, view, address, ended),),
        disprove="A completed handshake from the same pod.",
        fix=f"{pod} has no address of that IP family: use a host that has one of the pod's, or give pods both families."
        if is_foreign(address, pod)
        else _fix(ended.outcome),
        subject=str(params.target),
        node=pod.node,
    )


def _no_port_left(params: Params, view: View, seen: Seen, address: str, ended: connect.Connected) -> Finding:
    """The kernel refused before it sent anything: the peer and the way to it are not looked at."""
    pod = seen.inside.pod
    return Finding(
        id="pod-ephemeral-ports-exhausted",
        severity=Severity.PROBLEM,
        claim=f"{pod} has no local port left for another connection to {HostPort(address, params.target.port)}",
        evidence=(_evidence(params, view, address, ended),),
        disprove="A handshake that is sent: answered or not.",
        fix="Let the pod reuse connections and close those it is done with, or widen net.ipv4.ip_local_port_range in the pod.",
        subject=str(pod),
        node=pod.node,
        look_further=f"pod {pod} raw=sockets",
    )


def _is_redirected(ended: connect.Connected, pod: Pod) -> bool:
    """To the pod's loopback address, where REDIRECT leads what a machine itself sends (nf_nat_redirect.c).

    A socket at the pod's own address is the service's endpoint: a balancer at the socket (Cilium's) can lead a pod to itself.
    """
    return ended.taken_by.startswith(("127.", "[::1]:")) and not pod.host_network


def _redirected(params: Params, view: View, seen: Seen, address: str, ended: connect.Connected) -> Finding:
    """A mesh's sidecar takes every connection of its pod, whoever is meant and whether that one is there or not."""
    pod = seen.inside.pod
    return Finding(
        id="connect-redirected",
        severity=Severity.UNKNOWN,
        confidence=Confidence.CANNOT_TELL,
        claim=f"{ended.taken_by} inside {pod} took the connection: "
        f"whether {HostPort(address, params.target.port)} answers is not seen",
        evidence=(
            _evidence(params, view, address, ended),
            Evidence(f"/proc/net/tcp in {pod}, the other end of that connection", ended.taken_by, view.now),
        ),
        disprove="A connection whose other end is in another namespace.",
        fix="Ask the pod's proxy: a sidecar such as Istio's logs what became of a connection; or connect from a pod without one.",
        subject=str(params.target),
        node=pod.node,
    )


def _evidence(params: Params, view: View, address: str, ended: connect.Connected) -> Evidence:
    return Evidence(f"TCP handshake with {address} port {params.target.port}", _words(ended), view.now)


def _portless(params: Params, view: View, seen: Seen) -> dict[str, Service]:
    """By address, the service of whose cluster IP an unanswered port was tried that it does not have."""
    unanswered = (a for a, e in seen.handshakes.items() if isinstance(e, connect.Connected) and e.outcome != "answered")
    found = {address: findings.address_of(view, address) for address in unanswered}
    return {a: s for a, s in found.items() if s and params.target.port not in _tcp_ports(s)}


def _no_such_port(params: Params, view: View, seen: Seen, service: Service) -> Finding:
    """What answers at a cluster IP are the service's ports; nobody is behind any other."""
    has = ", ".join(map(str, _tcp_ports(service))) or "none"
    tried = tuple(
        _evidence(params, view, address, ended)
        for address, ended in seen.handshakes.items()
        if isinstance(ended, connect.Connected) and address in service.cluster_ips
    )
    return Finding(
        id="connect-no-such-port",
        severity=Severity.PROBLEM,
        claim=f"Service {service} has no TCP port {params.target.port}; it has {has}",
        evidence=(Evidence(f"Kubernetes API, service {service}, spec.ports", has, view.cluster.as_of), *tried),
        disprove=f"A port {params.target.port} in the service's spec.ports.",
        fix="Connect to a port that it has, or add the port to the service.",
        subject=str(service),
        node=seen.inside.pod.node,
    )


def _tcp_ports(service: Service) -> tuple[int, ...]:
    return tuple(p.port for p in service.ports if p.protocol == "TCP")


def show(params: Params, _view: View, seen: Seen) -> Shown:
    """One row an address."""
    ended = {a: c for a, c in seen.handshakes.items() if isinstance(c, connect.Connected)}
    rows = tuple((a, f"{c.outcome} by {c.taken_by}" if c.taken_by else c.outcome, f"{c.seconds * 1000:.2f} ms")
                 for a, c in ended.items())  # fmt: skip
    facts = {
        "from": str(seen.inside.pod), "target": str(params.target),
        "handshakes": [
            {"address": a, "outcome": c.outcome, "seconds": c.seconds, "taken_by": c.taken_by or None} for a, c in ended.items()
        ],
        "not_tried": list(seen.foreign),
    }  # fmt: skip
    tables = (Table("Handshakes", rows, ("address", "outcome", "time")),) if rows else ()
    foreign = f"Not tried: {', '.join(seen.foreign)}; {seen.inside.pod} has no address of that IP family." if seen.foreign else ""
    notes = tuple(filter(None, (seen.inside.note, seen.resolved.note if seen.resolved else "", foreign)))
    return Shown(f"{params.target} from inside {seen.inside.pod}", facts, tables, notes=notes)


def _words(ended: connect.Connected) -> str:
    said = "EADDRNOTAVAIL, with an address to send from," if ended.outcome == "no-port" else ended.outcome
    return f"{said} after {ended.seconds * 1000:.0f} ms"


def _fix(outcome: str) -> str:
    if outcome == "refused":
        return "Something answered with a reset or an ICMP error: see whether the port is right and something listens on it."
    return "Packets are lost on the way: look at the destination's pod or service, at its node, and at network policies."


CHECK = Check(
    name="connect",
    summary="Try a TCP connection from inside a pod",
    access=Access.PROBE,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("connect hello-world:80 from client", "connect 10.96.0.1:443 from shop/cart"),
)
