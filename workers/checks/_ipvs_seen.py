"""What the `ipvs` check asked and saw: which virtual servers a service has, and what each node answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from node_helper.facts.ipvs import Ipvs
from node_helper.facts.ipvs_connections import IpvsConnections
from node_helper.ipvs import Protocol, Virtual, VirtualServer
from node_helper.protocol import CannotLook
from workers.check import View
from workers.objects import Node, Service

_PROTOCOLS: dict[str, Protocol] = {"TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"}


@dataclass(frozen=True)
class OnNode:
    """One node's answers; `connections` is None where nothing had to be known of them."""

    node: str
    servers: Ipvs | CannotLook
    connections: IpvsConnections | CannotLook | None = None

    @property
    def in_use(self) -> bool:
        """Whether this node has virtual servers of this service, or of others that kube-proxy made."""
        return bool(self.virtual_servers) or (
            isinstance(self.servers, Ipvs) and self.servers.table is not None and self.servers.device
        )

    @property
    def may_lose_connections(self) -> bool:
        """Whether connections can stand whose server is gone: only then is it worth reading them all.

        Where the setting was not seen (saved files do not hold it), they can.
        """
        settings = self.servers.settings if isinstance(self.servers, Ipvs) else {}
        quiet = any(real.weight == 0 for server in self.virtual_servers for real in server.real_servers)
        return self.in_use and (quiet or settings.get("expire_nodest_conn", "0") == "0")

    @property
    def virtual_servers(self) -> tuple[VirtualServer, ...]:
        """Those that were seen here."""
        return self.servers.table.virtual_servers if isinstance(self.servers, Ipvs) and self.servers.table else ()

    @cached_property
    def by_name(self) -> Mapping[str, tuple[VirtualServer, ...]]:
        """The same by how they are written, such as "TCP 10.96.0.1:443"."""
        found: dict[str, tuple[VirtualServer, ...]] = {}
        for server in self.virtual_servers:
            found[str(server)] = (*found.get(str(server), ()), server)
        return found


@dataclass(frozen=True)
class Seen:
    """The service, or None where it was all that a node has."""

    service: Service | None
    nodes: tuple[OnNode, ...]
    everywhere: bool = False
    """Whether every node was meant."""


def virtuals(service: Service, node: Node) -> tuple[Virtual, ...]:
    """Every address and port for which kube-proxy makes a virtual server: the service's own, and its node ports on the node."""
    hosts = (*service.cluster_ips, *service.external_ips, *service.load_balancer_ips)
    known = [(_PROTOCOLS[p.protocol], p) for p in service.ports if p.protocol in _PROTOCOLS]
    found = [Virtual(protocol, host, port.port) for protocol, port in known for host in hosts]
    found += [Virtual(protocol, a, port.node_port) for protocol, port in known if port.node_port for a in node.addresses]
    return tuple(dict.fromkeys(found))


def owner(view: View, server: VirtualServer) -> Service | None:
    """The service that a virtual server stands for, as far as addresses tell."""
    owners = view.cluster.service_at
    by_address = owners.get((server.address, server.protocol, server.port))
    if by_address or server.address not in view.cluster.node_addresses:
        return by_address
    return owners.get(("", server.protocol, server.port))
