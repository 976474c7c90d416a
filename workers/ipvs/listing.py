"""The text that `ipvsadm -Ln` and `ipvsadm -Lnc` (version 1.31) print, made of records where the node has no ipvsadm."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from node_helper.ipvs import NUMBERS, Connection, RealServer, Table, VirtualServer, endpoint

_TITLES = """Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
"""
_CONNECTION_TITLES = "IPVS connection entries\npro expire state       source             virtual            destination\n"
_WHOLE = {4: "255.255.255.255", 6: "128"}


def servers(table: Table) -> str:
    """Virtual servers in the tool's order, each with its real servers."""
    head = f"IP Virtual Server version {table.version} (size={table.size})\n{_TITLES}"
    return head + "".join(_server(one) for one in sorted(table.virtual_servers, key=order))


def connections(entries: Iterable[Connection]) -> str:
    """Connections in the order of the kernel's table."""
    return _CONNECTION_TITLES + "".join(_connection(one) for one in entries)


def server_line(server: VirtualServer) -> str:
    """The line of one virtual server."""
    head = f"{'FWM ' if server.mark else server.protocol.ljust(4)} {_name(server)} {server.scheduler}"
    return " ".join(filter(None, (head, flags(server))))


def flags(server: VirtualServer) -> str:
    """What stands behind the scheduler."""
    words: list[str] = []
    if server.persistence is not None:
        words += ["persistent", str(server.persistence)]
        if server.netmask not in ("", _WHOLE[server.family]):
            words += ["mask", server.netmask]
        if server.engine:
            words += ["pe", server.engine]
    if server.ops:
        words.append("ops")
    if server.flags:
        words.append(f"({','.join(server.flags)})")
    return " ".join(words)


def real_server_line(real: RealServer) -> str:
    """The line of one real server; a dash where a count is not known."""
    name = endpoint(real.address, real.port)
    return f"  -> {name:<28} {real.forward:<7} {real.weight:<6} {count(real.active):<10} {count(real.inactive):<10}"


def _server(server: VirtualServer) -> str:
    reals = sorted(server.real_servers, key=lambda r: (_packed(r.address), r.port))
    return "".join(f"{line}\n" for line in (server_line(server), *map(real_server_line, reals)))


def _connection(one: Connection) -> str:
    expires = f"{one.expires // 60:02}:{one.expires % 60:02}"
    source, virtual = endpoint(one.source, one.source_port), endpoint(one.virtual, one.virtual_port)
    destination = endpoint(one.destination, one.destination_port)
    return f"{one.protocol:<3} {expires:<6} {one.state:<11} {source:<18} {virtual:<18} {destination}\n"


def _name(server: VirtualServer) -> str:
    if server.mark:
        return f"{server.mark} IPv6" if server.family == 6 else str(server.mark)  # noqa: PLR2004  (the family's own number)
    return endpoint(server.address, server.port)


def order(server: VirtualServer) -> tuple[int, int, int, bytes, int]:
    """The key by which ipvsadm sorts."""
    address = _packed(server.address) if server.address else b""
    return server.mark, server.family, NUMBERS.get(server.protocol, 0), address, server.port


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def count(number: int | None) -> str:
    """A dash where it is not known."""
    return "-" if number is None else str(number)
