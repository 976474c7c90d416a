"""Virtual servers as routes of a service, in the terms in which every backend's rules are compared (`workers.rules`)."""

from __future__ import annotations

from collections.abc import Iterable

from node_helper.ipvs import RealServer, VirtualServer, endpoint
from workers.rules.resolve import Frontend, Path, Route, Share
from workers.rules.steps import Source

BACKEND = "ipvs"
_FAMILIES = {"ip": 4, "ip6": 6}
_EVEN = frozenset({"rr", "lc", "nq", "fo", "ovf"})  # these do not share by weight; of weight 0 is nobody chosen anywhere


class Servers:
    """The virtual servers of one node, to be asked about frontends; node ports are those at one of `node_addresses`."""

    backend = BACKEND

    def __init__(self, servers: Iterable[VirtualServer], node_addresses: Iterable[str] = ()) -> None:
        self._servers = {(s.family, s.protocol.lower(), s.address, s.port): s for s in servers if not s.mark}
        self._node_addresses = tuple(node_addresses)

    def in_use(self, family: str) -> bool:
        """Whether there is a virtual server of a family ("ip" or "ip6")."""
        return any(key[0] == _FAMILIES[family] for key in self._servers)

    def can_tell(self, frontend: Frontend) -> bool:
        """Whether it is known where to look for a frontend: a node port is at an address of the node."""
        return bool(frontend.address) or any((":" in host) == (frontend.family == "ip6") for host in self._node_addresses)

    def route(self, frontend: Frontend) -> Route:
        """Where connections to a frontend go, whoever makes them: IPVS does not ask."""
        path = _path(self._find(frontend))
        return Route(frontend, self.backend, dict.fromkeys(Source, path))

    def _find(self, frontend: Frontend) -> VirtualServer | None:
        hosts = (frontend.address,) if frontend.address else self._node_addresses
        keys = ((_FAMILIES[frontend.family], frontend.protocol, host, frontend.port) for host in hosts)
        return next((self._servers[key] for key in keys if key in self._servers), None)


def _path(server: VirtualServer | None) -> Path:
    """Without a server that may be chosen, clients are told that the port is unreachable (ip_vs_leave in the kernel)."""
    if server is None:
        return Path("nothing")
    chosen = [(real, _weight(server, real)) for real in server.real_servers if real.weight]
    total = sum(weight for _, weight in chosen)
    shares = tuple(Share(endpoint(real.address, real.port), weight / total) for real, weight in chosen)
    return Path("endpoints" if shares else "reject", shares, sticky_s=server.persistence, via=(str(server),))


def _weight(server: VirtualServer, real: RealServer) -> int:
    return 1 if server.scheduler in _EVEN else real.weight
