"""What IPVS's servers, connections and settings on a node say of trouble (kernel documentation, ipvs-sysctl)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from node_helper.facts.ipvs import Ipvs
from node_helper.facts.ipvs_connections import Destination, IpvsConnections
from node_helper.ipvs import Towards, endpoint
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import View
from workers.checks._ipvs_drift import drifted
from workers.checks._ipvs_seen import OnNode, Seen, owner
from workers.model import Confidence, Evidence, Finding, Severity
from workers.objects import Service

_NEEDED = ("services", "slices")
_LIVE = frozenset({"ESTABLISHED", "UDP"})  # in all other states the next packet does not count on the same server
_FIXED = (5, 9)  # the kernel that reuses ports without a delay (pkg/proxy/ipvs of Kubernetes, connReuseFixedKernelVersion)
_NODES_SHOWN = 5
_CONNECTIONS = "/proc/net/ip_vs_conn"


def judge(params: object, view: View, seen: Seen) -> Iterator[Finding]:  # noqa: ARG001  (every judge has this shape)
    """Each node by itself; the mode's end is said once for all."""
    if seen.service:
        yield from findings.service_gaps(view, seen.service, *_NEEDED, everywhere=seen.everywhere)
    for one in seen.nodes:
        for what, answer in (("IPVS", one.servers), ("IPVS's connections", one.connections)):
            if isinstance(answer, CannotLook):
                yield findings.unknown(answer, node=one.node, what=what, now=view.now, subject=str(seen.service or ""))
        if isinstance(one.servers, Ipvs) and one.in_use:
            if seen.service:
                yield from drifted(view, seen.service, one.node, one.virtual_servers)
            yield from _port_reuse(view, one.node, one.servers)
            if isinstance(one.connections, IpvsConnections):
                yield from _gone(view, seen.service, one, one.connections)
                yield from _quiet(view, one, one.connections)
    yield from _deprecated(view, seen)


def _gone(view: View, meant: Service | None, one: OnNode, connections: IpvsConnections) -> Iterator[Finding]:
    """Packets of a connection whose real server was removed are dropped in silence, unless expire_nodest_conn ends it."""
    lost = [d.towards for d in connections.destinations if d.weight is None and d.towards.state in _LIVE]
    if not isinstance(one.servers, Ipvs) or one.servers.settings.get("expire_nodest_conn") != "0":
        return
    for virtual, towards in _by_virtual(lost).items():
        service = meant or _owner(view, one, virtual)
        number = _counted(sum(t.connections for t in towards))
        yield Finding(
            id="ipvs-dead-destination",
            severity=Severity.PROBLEM,
            claim=f"{number} through {virtual} lost the real server behind; packets of such connections vanish on {one.node}",
            evidence=(
                *(Evidence(_CONNECTIONS, _said(t), view.now) for t in towards),
                Evidence("IPVS's real servers of this address (IPVS_CMD_GET_DEST)", _reals(one, virtual), view.now),
                Evidence("net.ipv4.vs.expire_nodest_conn", "0", view.now),
            ),
            disprove="The destination among the real servers of that virtual server, or expire_nodest_conn at 1.",
            fix="Set net.ipv4.vs.expire_nodest_conn to 1 on this node, so that such connections end at their next packet.",
            subject=str(service or virtual),
            node=one.node,
        )


def _quiet(view: View, one: OnNode, connections: IpvsConnections) -> Iterator[Finding]:
    """A real server with weight 0 keeps its old connections; when its pod is gone, nobody answers them."""
    if any(behind.kind in ("pods", "slices") for behind in view.cluster.behind):
        return
    for d in connections.destinations:
        if d.weight != 0 or d.towards.state not in _LIVE or _lives(view, d.towards.destination):
            continue
        service = _owner(view, one, _virtual(d.towards))
        if service:
            yield _quiet_finding(view, one.node, str(service), d)


def _quiet_finding(view: View, node: str, service: str, found: Destination) -> Finding:
    to = found.towards
    where = endpoint(to.destination, to.destination_port)
    return Finding(
        id="ipvs-dead-destination",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        claim=f"{_counted(to.connections)} of {service} kept by {where}, whose weight is 0 on {node} and whose pod is gone",
        evidence=(
            Evidence(_CONNECTIONS, _said(to), view.now),
            Evidence(f"IPVS's real server {where}", "weight 0", view.now),
            Evidence(f"Kubernetes API, pods and EndpointSlices with {to.destination}", "none", view.cluster.as_of),
        ),
        disprove="A pod with that address, or no connections to it any more.",
        fix="kube-proxy removes the server when these connections have expired; clients that reconnect do so at once.",
        subject=service,
        node=node,
    )


def _port_reuse(view: View, node: str, servers: Ipvs) -> Iterator[Finding]:
    """A client's port used again soon: with 1 old kernels delay it by a second, with 0 it goes where the last one went."""
    mode, tracked = servers.settings.get("conn_reuse_mode"), servers.settings.get("conntrack")
    old = _version(servers.kernel) < _FIXED
    if mode == "0":
        claim, fix = "stays with the real server of the last one, even one of weight 0", "at 1"
    elif mode == "1" and old and tracked == "1":
        claim, fix = "waits for one second", "at 1"
    else:
        return
    newer = f"Use kernel {'.'.join(map(str, _FIXED))} or newer on this node, with " if old else "Leave "
    yield Finding(
        id="ipvs-port-reuse",
        severity=Severity.WARNING,
        claim=f"On {node} a connection whose client port was used shortly before {claim}",
        evidence=(
            Evidence("net.ipv4.vs.conn_reuse_mode", mode, view.now),
            Evidence("net.ipv4.vs.conntrack", tracked or "not there", view.now),
            Evidence("/proc/sys/kernel/osrelease", servers.kernel, view.now),
        ),
        disprove="Kernel 5.9 or newer with conn_reuse_mode at 1.",
        fix=f"{newer}net.ipv4.vs.conn_reuse_mode {fix}.",
        node=node,
    )


def _deprecated(view: View, seen: Seen) -> Iterator[Finding]:
    nodes = [(n.node, n.servers) for n in seen.nodes if isinstance(n.servers, Ipvs) and n.servers.device and n.virtual_servers]
    if not nodes:
        return
    yield Finding(
        id="ipvs-deprecated",
        severity=Severity.INFO,
        claim=f"kube-proxy works in IPVS mode on {_listed([node for node, _ in nodes])}, a mode deprecated since Kubernetes 1.35",
        evidence=tuple(
            Evidence(f"{node}: {'; '.join(servers.evidence)}", f"{len(servers.table.virtual_servers)} virtual servers", view.now)
            for node, servers in nodes[:_NODES_SHOWN]
            if servers.table
        ),
        disprove="No device kube-ipvs0 and no virtual servers on these nodes.",
        fix="Plan the move to kube-proxy's nftables mode.",
        subject=str(seen.service or ""),
        node=nodes[0][0] if len(nodes) == 1 else "",
    )


def _by_virtual(towards: Iterable[Towards]) -> dict[str, list[Towards]]:
    found: dict[str, list[Towards]] = {}
    for one in towards:
        found.setdefault(_virtual(one), []).append(one)
    return found


def _virtual(to: Towards) -> str:
    """The name of the virtual server that was connected to."""
    return f"{to.protocol} {endpoint(to.virtual, to.virtual_port)}"


def _owner(view: View, one: OnNode, virtual: str) -> Service | None:
    return next((s for v in one.by_name.get(virtual, ()) if (s := owner(view, v))), None)


def _reals(one: OnNode, virtual: str) -> str:
    servers = one.by_name.get(virtual, ())
    if not servers:
        return "no such virtual server"
    return ", ".join(endpoint(r.address, r.port) for v in servers for r in v.real_servers) or "none"


def _lives(view: View, address: str) -> bool:
    pods = any(p.phase == "Running" for p in view.cluster.pods_with.get(address, ()))
    return pods or address in view.cluster.endpoint_addresses


def _said(to: Towards) -> str:
    return f"{to.connections} {to.state} to {endpoint(to.destination, to.destination_port)}, the last for {to.longest} s more"


def _counted(number: int) -> str:
    return f"{number} connection{'' if number == 1 else 's'}"


def _version(release: str) -> tuple[int, int]:
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", release)
    return (int(found[1]), int(found[2])) if found else _FIXED


def _listed(nodes: list[str]) -> str:
    more = f" and {len(nodes) - _NODES_SHOWN} more nodes" if len(nodes) > _NODES_SHOWN else ""
    return ", ".join(nodes[:_NODES_SHOWN]) + more
