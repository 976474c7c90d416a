"""Whether anything in a pod listens on the ports to which services send: what kube-proxy delivers there is refused otherwise.

A rule inside the pod's own namespace could lead a port elsewhere, which was not looked at: no more than likely is claimed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from node_helper.facts.sockets import Sockets
from node_helper.records import Socket
from workers import findings
from workers.check import View
from workers.checks._pod_seen import Seen
from workers.model import Confidence, Evidence, Finding, Severity
from workers.objects import EndpointPort, EndpointSlice, Pod, Service

_WAITING = {"TCP": "LISTEN", "UDP": "UNCONN"}
_SHOWN = 12


@dataclass(frozen=True)
class _Wanted:
    """A port of this pod to which a service sends, over one IP family."""

    service: Service
    family: str
    protocol: str
    port: int


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """One finding a port of a service, where the pod's sockets were seen and the service sends to it."""
    if not isinstance(seen.sockets, Sockets):
        return
    told: set[tuple[str, str, int]] = set()
    for wanted in _wanted(view, seen.pod):
        here = [s for s in seen.sockets.sockets if _waits(s, wanted)]
        key = (str(wanted.service), wanted.protocol, wanted.port)
        if key not in told and not any(_takes(s, wanted, seen.pod) for s in here):
            told.add(key)
            yield _deaf(view, seen, wanted, here)


def _wanted(view: View, pod: Pod) -> Iterator[_Wanted]:
    """A headless service's ports are not those that its clients connect to: they connect to the pod as they like."""
    for service in findings.services_of(view, pod):
        for piece in view.cluster.slices_of.get(service.key, ()) if not service.headless else ():
            for port in _ports(piece, pod):
                if port.port and port.protocol in _WAITING:
                    yield _Wanted(service, piece.family, port.protocol, port.port)


def _ports(piece: EndpointSlice, pod: Pod) -> tuple[EndpointPort, ...]:
    ours = any(e.ready and set(e.addresses) & set(pod.ips) for e in piece.endpoints)
    return piece.ports if ours else ()


def _waits(socket: Socket, wanted: _Wanted) -> bool:
    same = socket.protocol.startswith(wanted.protocol.lower()) and socket.state == _WAITING[wanted.protocol]
    return same and socket.local_port == wanted.port


def _takes(socket: Socket, wanted: _Wanted, pod: Pod) -> bool:
    """Bound to every address or to the pod's; one of IPv6's for every address takes IPv4, too, unless it was told not to."""
    local = ipaddress.ip_address(socket.local)
    local = getattr(local, "ipv4_mapped", None) or local
    if local.is_unspecified:
        return local.version == 6 or wanted.family == "IPv4"  # noqa: PLR2004  (IPv6)
    return str(local) in pod.ips and f"IPv{local.version}" == wanted.family


def _deaf(view: View, seen: Seen, wanted: _Wanted, here: list[Socket]) -> Finding:
    where = f"{wanted.protocol} port {wanted.port} of {seen.pod}"
    only = ", ".join(sorted({socket.local for socket in here}))
    said = (
        f"there only {only} is listened on, which {wanted.family} to the pod does not reach" if here else "nothing listens there"
    )
    return Finding(
        id="service-port-mismatch",
        severity=Severity.WARNING if here else Severity.PROBLEM,
        confidence=Confidence.LIKELY,
        claim=f"Service {wanted.service} sends to {where}, and {said}",
        evidence=(
            Evidence(
                f"Kubernetes API, EndpointSlices of {wanted.service}", f"{wanted.protocol} {wanted.port}", view.cluster.as_of
            ),
            Evidence(f"/proc/net/{wanted.protocol.lower()}{{,6}} in the pod", _listening(seen), view.now),
        ),
        disprove=f"A socket that listens on {where}, or a connection to it that is taken.",
        fix="Correct the service's targetPort, or let the program listen on that port and on every address.",
        subject=str(wanted.service),
        node=seen.pod.node,
        look_further=f"rules {wanted.service}",
    )


def _listening(seen: Seen) -> str:
    sockets = seen.sockets.sockets if isinstance(seen.sockets, Sockets) else ()
    ports = [f"{s.protocol} {s.local}:{s.local_port}" for s in sockets if s.state in _WAITING.values()]
    return (", ".join(ports[:_SHOWN]) or "nothing listens") + (f" and {len(ports) - _SHOWN} more" if len(ports) > _SHOWN else "")
