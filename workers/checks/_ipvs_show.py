"""How the `ipvs` check shows what it saw: each virtual server with its real servers, and the table as ipvsadm prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node_helper import codec
from node_helper.facts.ipvs import Ipvs
from node_helper.facts.ipvs_connections import IpvsConnections
from node_helper.ipvs import RealServer, VirtualServer, endpoint
from node_helper.protocol import CannotLook
from workers.check import View
from workers.checks._ipvs_seen import OnNode, Seen, owner
from workers.ipvs import listing
from workers.model import RawFile, Shown, Table

_COLUMNS = ("virtual server → real server", "scheduler / forward", "weight", "active", "inactive", "service / flags")
_SERVERS_SHOWN = 40


def show(params: object, view: View, seen: Seen) -> Shown:  # noqa: ARG001  (every show has this shape)
    """One table a node that has virtual servers; a note for each that has none."""
    used = [one for one in seen.nodes if one.virtual_servers]
    what = str(seen.service) if seen.service else ", ".join(one.node for one in seen.nodes)
    if seen.service:
        headline = f"{what} in IPVS on {len(used)} of {len(seen.nodes)} nodes"
    else:
        headline = f"{sum(len(one.virtual_servers) for one in used)} virtual servers on {what}"
    facts = {"service": str(seen.service) if seen.service else None, "nodes": {one.node: _facts(one) for one in seen.nodes}}
    notes = tuple(note for one in seen.nodes if (note := _note(one, seen)))
    return Shown(headline, facts, tuple(_table(view, one) for one in used), tuple(_files(seen)), notes)


def _table(view: View, one: OnNode) -> Table:
    rows: list[tuple[str, ...]] = []
    for server in sorted(one.virtual_servers, key=listing.order)[:_SERVERS_SHOWN]:
        service = owner(view, server)
        flags = listing.flags(server)
        rows.append((str(server), server.scheduler, "", "", "", ", ".join(filter(None, (str(service or ""), flags)))))
        rows += [_real(real) for real in server.real_servers]
    return Table(f"IPVS on {one.node}", tuple(rows), _COLUMNS)


def _real(real: RealServer) -> tuple[str, ...]:
    limit = f"at most {real.upper} connections" if real.upper else ""
    forward = " ".join(filter(None, (real.forward, real.tunnel)))
    return (
        f"→ {endpoint(real.address, real.port)}",
        forward,
        str(real.weight),
        listing.count(real.active),
        listing.count(real.inactive),
        limit,
    )


def _files(seen: Seen) -> Iterator[RawFile]:
    """The tool's own words where it was run, else the same made from the kernel's answer; what is of one service is named so."""
    for one in seen.nodes:
        servers = one.servers
        if isinstance(servers, Ipvs) and servers.table and servers.table.virtual_servers:
            said = servers.listing if servers.listing is not None and not seen.service else listing.servers(servers.table)
            yield RawFile(f"{one.node}.ipvsadm{'.part' if seen.service or servers.listing_cut else ''}.txt", said)


def _note(one: OnNode, seen: Seen) -> str:
    if isinstance(one.servers, CannotLook):
        return ""
    if one.servers.table is None:
        return f"IPVS is not in use on {one.node}: {'; '.join(one.servers.evidence)}."
    if not one.virtual_servers:
        return f"IPVS on {one.node} has no virtual server{f' of {seen.service}' if seen.service else ''}."
    if seen.service is None and one.servers.listing is None:
        return f"{one.node} has no ipvsadm; its file is made from the kernel's answer, in the form of ipvsadm -Ln."
    shown = f"; the table above shows {_SERVERS_SHOWN}, the file all" if len(one.virtual_servers) > _SERVERS_SHOWN else ""
    cut = "; ipvsadm printed more than the file holds" if one.servers.listing_cut else ""
    return f"{one.node}: {len(one.virtual_servers)} virtual servers{shown}{cut}." if shown or cut else ""


def _facts(one: OnNode) -> dict[str, Any] | None:
    """None where the node could not be looked at."""
    if isinstance(one.servers, CannotLook):
        return None
    counted = one.connections if isinstance(one.connections, IpvsConnections) else None
    return {
        "in_use": one.servers.table is not None,
        "evidence": list(one.servers.evidence),
        "kernel": one.servers.kernel,
        "settings": dict(one.servers.settings),
        "connections": counted.total if counted else None,
        "virtual_servers": [_server(server) for server in one.virtual_servers],
    }


def _server(server: VirtualServer) -> dict[str, Any]:
    said: dict[str, Any] = codec.encode(server)
    return {"name": str(server), **said}
