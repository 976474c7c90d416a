"""How the `pod` check shows what it saw: tables for people, the `facts` of the JSON interface, the raw views as files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node_helper import codec
from node_helper.facts import dns, interfaces, raw, resolv_conf, routes, sandbox, sockets
from node_helper.facts.interfaces import Interface
from node_helper.records import Link, Route
from workers.check import View
from workers.checks._pod_seen import Seen
from workers.findings import services_of, unread
from workers.model import RawFile, Shown, Table

_PORTS_SHOWN = 12


def show(params: object, view: View, seen: Seen) -> Shown:  # noqa: ARG001  (every show has this shape)
    """Everything that was seen of one pod."""
    pod = seen.pod
    services = None if unread(view, "services") else [str(s) for s in services_of(view, pod)]
    files = tuple(RawFile(f"{pod.name}.{name}.txt", text.text) for name, text in seen.raw.items() if isinstance(text, raw.Text))
    headline = f"{pod} on {pod.node}" if pod.node else str(pod)
    tables = (_place(seen, services), *_devices(seen), *_routes(seen), *_names(seen))
    return Shown(headline, _facts(seen, services), tables, files, (seen.located.note,) if seen.located.note else ())


def _place(seen: Seen, services: list[str] | None) -> Table:
    pod, place = seen.pod, seen.sandbox
    rows = [("pod", str(pod)), ("phase", pod.phase), ("IP", ", ".join(pod.ips) or "none yet"), ("node", pod.node or "none yet")]
    if isinstance(place, sandbox.Sandbox):
        rows += [("runtime", place.runtime), ("sandbox PID", str(place.pid or "no process"))]
        rows += [("netns", f"{place.netns.path} (inode {place.netns.inode})" if place.netns else "none found")]
    if pod.host_network:
        rows += [("network", "hostNetwork: it uses the node's own devices, there is no veth")]
    selected = "not read" if services is None else ", ".join(services) or "none select it"
    return Table("Pod", (*rows, ("services", selected)))


def _devices(seen: Seen) -> tuple[Table, ...]:
    if not isinstance(seen.interfaces, interfaces.Interfaces):
        return ()
    rows = [row for i in seen.interfaces.interfaces if "LOOPBACK" not in i.link.flags for row in _device_rows(i)]
    return (Table("Interfaces", tuple(rows)),)


def _device_rows(i: Interface) -> Iterator[tuple[str, str]]:
    """The device inside, and its peer on the node, one below the other."""
    yield f"{i.link.name}, index {i.link.ifindex}", f"{', '.join(i.addresses) or 'no address'}; {_state(i.link)}"
    if i.peer:
        yield f"↔ {i.peer.link.name}, index {i.peer.link.ifindex}", f"master {i.peer.master or 'none'}; {_state(i.peer.link)}"
    else:
        yield f"{i.link.name} has no pair", i.pairless


def _state(link: Link) -> str:
    return f"MTU {link.mtu}, {link.state}, packets in/out {link.counters.rx_packets}/{link.counters.tx_packets}"


def _routes(seen: Seen) -> tuple[Table, ...]:
    if not isinstance(seen.routes, routes.Routes):
        return ()
    return (Table("Routes", tuple((r.destination, _hop_words(r)) for r in seen.routes.routes)),)


def _hop_words(route: Route) -> str:
    hops = [" ".join(filter(None, [f"via {h.via}" if h.via else "", f"dev {h.device}" if h.device else ""])) for h in route.hops]
    return ("" if route.kind == "unicast" else f"{route.kind} ") + ", ".join(hops)


def _names(seen: Seen) -> tuple[Table, ...]:
    rows: list[tuple[str, str]] = []
    if isinstance(seen.resolv_conf, resolv_conf.ResolvConf):
        conf = seen.resolv_conf
        rows += [("nameservers", ", ".join(conf.nameservers) or "none"), ("search", " ".join(conf.search) or "none")]
        rows += [("options", " ".join(conf.options) or "none")]
    rows += [(f"{seen.dns_name} @{server}", _answer_words(a)) for server, a in seen.dns.items() if isinstance(a, dns.DnsAnswer)]
    if isinstance(seen.sockets, sockets.Sockets):
        ports = _ports(seen.sockets)
        said = ", ".join(f"{proto} {local}:{port}" for proto, port, local in ports[:_PORTS_SHOWN])
        more = f" and {len(ports) - _PORTS_SHOWN} more" if len(ports) > _PORTS_SHOWN else ""
        rows += [("listening", (said + more) or "nothing")]
    return (Table("Inside the pod", tuple(rows)),) if rows else ()


def _ports(found: sockets.Sockets) -> list[tuple[str, int, str]]:
    """Protocol, port and address of each socket that takes what comes."""
    return sorted({(s.protocol, s.local_port, s.local) for s in found.sockets if s.state in ("LISTEN", "UNCONN")})


def _answer_words(answer: dns.DnsAnswer) -> str:
    if answer.outcome != "answered":
        return answer.outcome
    data = " ".join(r.data for r in answer.records[:4])
    return f"{answer.rcode} {data} in {answer.seconds * 1000:.1f} ms".replace("  ", " ")


def _facts(seen: Seen, services: list[str] | None) -> dict[str, Any]:
    """The `facts` of `pod` in the JSON interface; null where it was not or could not be seen."""
    pod = seen.pod
    place = seen.sandbox if isinstance(seen.sandbox, sandbox.Sandbox) else None
    conf = seen.resolv_conf if isinstance(seen.resolv_conf, resolv_conf.ResolvConf) else None
    return {
        "pod": str(pod),
        "phase": pod.phase,
        "ip": pod.ips[0] if pod.ips else None,
        "ips": list(pod.ips),
        "node": pod.node or None,
        "host_network": place.host_network if place else pod.host_network,
        "runtime": place.runtime if place else None,
        "sandbox_pid": place.pid if place else None,
        "netns": place.netns.path if place and place.netns else None,
        "netns_inode": place.netns.inode if place and place.netns else None,
        "interfaces": _interface_facts(seen),
        "routes": [_route_facts(r) for r in seen.routes.routes] if isinstance(seen.routes, routes.Routes) else None,
        "resolv_conf": conf
        and {"nameservers": list(conf.nameservers), "search": list(conf.search), "options": list(conf.options)},
        "dns": {s: _dns_facts(seen.dns_name, a) for s, a in seen.dns.items() if isinstance(a, dns.DnsAnswer)},
        "listening": [{"protocol": proto, "address": local, "port": port} for proto, port, local in _ports(seen.sockets)]
        if isinstance(seen.sockets, sockets.Sockets)
        else None,
        "services": services,
    }


def _interface_facts(seen: Seen) -> list[dict[str, Any]] | None:
    if not isinstance(seen.interfaces, interfaces.Interfaces):
        return None
    return [
        {"name": i.link.name, "ifindex": i.link.ifindex, "mtu": i.link.mtu, "state": i.link.state, "addresses": list(i.addresses),
         "counters": codec.encode(i.link.counters), "peer": _peer_facts(i), "pairless": i.pairless}
        for i in seen.interfaces.interfaces
        if "LOOPBACK" not in i.link.flags
    ]  # fmt: skip


def _peer_facts(i: Interface) -> dict[str, Any] | None:
    if i.peer is None:
        return None
    link = i.peer.link
    facts = {"name": link.name, "ifindex": link.ifindex, "master": i.peer.master, "mtu": link.mtu, "state": link.state}
    return {**facts, "counters": codec.encode(link.counters)}


def _route_facts(route: Route) -> dict[str, Any]:
    hops = [{"via": h.via, "device": h.device} for h in route.hops]
    return {"destination": route.destination, "kind": route.kind, "hops": hops, "source": route.source}


def _dns_facts(name: str, answer: dns.DnsAnswer) -> dict[str, Any]:
    records = [r.data for r in answer.records]
    return {"name": name, "outcome": answer.outcome, "rcode": answer.rcode, "answers": records, "seconds": answer.seconds}
