"""Whether anything in a pod listens on the ports to which services send: what kube-proxy delivers there is refused otherwise.

Rules inside the pod's own namespace (a mesh's, a virtual machine's) may lead a port elsewhere: where there are any, that is not
told. Nor are programs that lead packets on, so that no more than likely is claimed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from node_helper.facts.redirects import Redirects
from node_helper.facts.sockets import Sockets
from node_helper.protocol import CannotLook
from node_helper.records import Socket
from workers import findings
from workers.check import View
from workers.checks._pod_seen import Seen
from workers.model import Confidence, Evidence, Finding, Severity
from workers.objects import EndpointPort, EndpointSlice, Pod, Service

_WAITING = {"TCP": ("LISTEN",), "UDP": ("UNCONN", "ESTAB")}
"""A UDP server may connect its only socket to the client that came (`nc -u -l`)."""
_SHOWN = 12


@dataclass(frozen=True)
class _Wanted:
    """A port of this pod to which a service sends, over one IP family."""

    service: Service
    family: str
    protocol: str
    port: int

    @property
    def key(self) -> tuple[str, str, int]:
        """The port, whatever the family."""
        return str(self.service), self.protocol, self.port


@dataclass(frozen=True)
class Deaf:
    """A port that nobody takes. `here` are sockets on it that its packets do not reach; `beside`: the service has others."""

    wanted: _Wanted
    here: tuple[Socket, ...]
    beside: bool


def judge(view: View, seen: Seen) -> Iterator[Finding]:
    """One finding a port of a service."""
    for port in deaf(view, seen):
        yield _finding(view, seen, port)


def deaf(view: View, seen: Seen) -> tuple[Deaf, ...]:
    """The ports that nobody takes, where the pod's sockets were seen and services send to it.

    A pod that has just started is not ready, and may bind late. One of another runtime may be a machine of its own, with a
    kernel that is not seen here: its namespace then shows no socket at all.
    """
    if not isinstance(seen.sockets, Sockets) or not seen.pod.ready or (seen.pod.runtime_class and not seen.sockets.sockets):
        return ()
    takers = [(w, any(_takes(s, w, seen.pod) for s in _at(seen.sockets, w))) for w in _wanted(view, seen.pod)]
    open_ones = {w.service.key for w, taken in takers if taken}
    found: dict[tuple[str, str, int], Deaf] = {}
    for wanted, taken in takers:
        if not taken:
            found.setdefault(wanted.key, Deaf(wanted, _at(seen.sockets, wanted), wanted.service.key in open_ones))
    return tuple(found.values())


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


def _at(sockets: Sockets, wanted: _Wanted) -> tuple[Socket, ...]:
    mine = (s for s in sockets.sockets if s.protocol.startswith(wanted.protocol.lower()) and s.local_port == wanted.port)
    return tuple(s for s in mine if s.state in _WAITING[wanted.protocol])


def _takes(socket: Socket, wanted: _Wanted, pod: Pod) -> bool:
    """Bound to every address or to the pod's; one of IPv6's for every address takes IPv4, too, unless it was told not to."""
    local = ipaddress.ip_address(socket.local)
    local = getattr(local, "ipv4_mapped", None) or local
    if local.is_unspecified:
        return local.version == 6 or wanted.family == "IPv4"  # noqa: PLR2004  (IPv6)
    return str(local) in pod.ips and f"IPv{local.version}" == wanted.family


def _finding(view: View, seen: Seen, port: Deaf) -> Finding:
    wanted, led = port.wanted, _led(seen)
    where = f"{wanted.protocol} port {wanted.port} of {seen.pod}"
    only = ", ".join(sorted({socket.local for socket in port.here}))
    said = (
        f"there only {only} is listened on, which {wanted.family} to the pod does not reach" if only else "nothing listens there"
    )
    of_service, listening = f"{wanted.protocol} {wanted.port}", f"/proc/net/{wanted.protocol.lower()}{{,6}} in the pod"
    return Finding(
        id="service-port-mismatch",
        severity=Severity.UNKNOWN if led else Severity.WARNING if port.here or port.beside else Severity.PROBLEM,
        confidence=Confidence.CANNOT_TELL if led else Confidence.LIKELY,
        claim=f"Service {wanted.service} sends to {where}, and {said}"
        + (": whether rules inside the pod lead it elsewhere was not evaluated" if led else ""),
        evidence=(
            Evidence(f"Kubernetes API, EndpointSlices of {wanted.service}", of_service, view.cluster.as_of),
            Evidence(listening, _listening(seen), view.now),
            *((Evidence("packet filter tables in the pod", led, view.now),) if led else ()),
        ),
        disprove=f"A socket that listens on {where}, or a connection to it that is taken.",
        fix="Correct the service's targetPort, or let the program listen on that port and on every address; one that binds late "
        "needs a readiness probe.",
        subject=str(wanted.service),
        node=seen.pod.node,
        look_further=f"rules {wanted.service}",
    )


def _led(seen: Seen) -> str:
    """What may lead the pod's ports elsewhere; "" where nothing is there that could."""
    if isinstance(seen.redirects, CannotLook):
        return seen.redirects.reason
    return ", ".join(seen.redirects.tables) if isinstance(seen.redirects, Redirects) else ""


def _listening(seen: Seen) -> str:
    sockets = seen.sockets.sockets if isinstance(seen.sockets, Sockets) else ()
    ports = [f"{s.protocol} {s.local}:{s.local_port}" for s in sockets if s.state in ("LISTEN", "UNCONN")]
    return (", ".join(ports[:_SHOWN]) or "nothing listens") + (f" and {len(ports) - _SHOWN} more" if len(ports) > _SHOWN else "")
