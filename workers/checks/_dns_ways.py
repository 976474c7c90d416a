"""Every way from inside a pod to the cluster's DNS, asked for a name that every cluster has: what differs is what is broken."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from node_helper.facts import dns, dns_pair
from node_helper.kernel import Netns
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import Ask, View
from workers.checks._dns_judge import Answer, fails
from workers.checks._from_pod import Inside
from workers.objects import Endpoint, EndpointSlice, Service

DNS_PORT = 53
_MOST_REPLICAS = 5  # with a node's eight questions at once, all of them silent is known after some seconds
_CLOUD = ipaddress.IPv4Network("169.254.169.0/24")
_HOMES = ("kube-system", "openshift-dns")
_TRANSPORTS = ("udp", "tcp")
Pair = dns_pair.DnsPair | CannotLook


@dataclass(frozen=True)
class Way:
    """A server's address and transport. `replica` is the DNS pod (or endpoint) that it is, "" for a nameserver of the pod."""

    server: str
    port: int
    transport: str
    replica: str = ""

    @property
    def whom(self) -> str:
        """The server, for people."""
        return f"{self.replica or 'nameserver'} {self.server}"

    def __str__(self) -> str:
        return f"{self.whom} over {self.transport.upper()}"


@dataclass(frozen=True)
class Ways:
    """What was asked for `name`: each way and pair with its one or two answers, the second where the first was none.

    `servers` are all of the pod's nameservers, in its order; of them those are asked that are the cluster's. `unasked` DNS pods
    are beyond what is asked.
    """

    name: str
    domain: str
    servers: tuple[str, ...]
    tries: Mapping[Way, tuple[Answer, ...]] = field(default_factory=dict)
    pairs: Mapping[str, tuple[Pair, ...]] = field(default_factory=dict)
    unasked: int = 0

    @property
    def asked(self) -> tuple[str, ...]:
        """The nameservers that were asked."""
        return tuple(dict.fromkeys(way.server for way in self.tries if not way.replica))

    def of(self, server: str) -> dict[str, Answer]:
        """How a nameserver answered in the end, by transport."""
        return {w.transport: tries[-1] for w, tries in self.tries.items() if w.server == server and not w.replica}

    def replicas(self) -> dict[str, dict[str, Answer]]:
        """How each DNS pod answered in the end, by its name and transport."""
        found: dict[str, dict[str, Answer]] = {}
        for way, tries in self.tries.items():
            if way.replica:
                found.setdefault(f"{way.replica} ({way.server})", {})[way.transport] = tries[-1]
        return found

    def explains(self, answer: Answer) -> bool:
        """Whether the first nameserver, or a DNS pod behind it, failed likewise over that transport for the known name."""
        if not isinstance(answer, dns.DnsAnswer) or not fails(answer):
            return False
        likewise = (answer.transport, answer.outcome, answer.rcode)
        return any(
            (way.transport, a.outcome, a.rcode) == likewise
            for way, tries in self.tries.items()
            if way.replica or way.server == self.servers[0]
            for a in tries
            if isinstance(a, dns.DnsAnswer)
        )

    def failing_at_replicas(self) -> set[str]:
        """The transports over which some DNS pod fails: a service's address fails over these whenever it sends there."""
        return {transport for of in self.replicas().values() for transport, answer in of.items() if fails(answer)}


@dataclass(frozen=True)
class Questions:
    """What there is to ask, by way and by nameserver; nothing of nameservers that are not the cluster's."""

    node: str
    netns: Netns
    name: str
    domain: str
    servers: tuple[str, ...]
    ways: Mapping[Way, Ask[dns.Query, dns.DnsAnswer]]
    pairs: Mapping[str, Ask[dns_pair.Query, dns_pair.DnsPair]]
    unasked: int

    def step(self, name: str, kind: str) -> Ask[dns.Query, dns.DnsAnswer]:
        """One query of the resolver, which asks the first nameserver."""
        return Ask(self.node, dns.FACT, dns.Query(self.netns, self.servers[0], name, kind))


def questions(view: View, inside: Inside, netns: Netns, servers: tuple[str, ...]) -> Questions:
    """Each nameserver and DNS pod over UDP and TCP, and A with AAAA from one socket of each nameserver."""
    name, domain = probe(inside.resolver.search if inside.resolver else ())
    owners = {server: findings.address_of(view, server) for server in servers}
    ours = tuple(server for server in servers if owners[server] or is_cache(server))
    replicas = _replicas(view, next(filter(None, owners.values()), None), ours)
    ways = [Way(server, DNS_PORT, transport) for server in ours for transport in _TRANSPORTS]
    ways += [Way(ip, port, transport, pod) for pod, ip, port in replicas[:_MOST_REPLICAS] for transport in _TRANSPORTS]
    node = inside.pod.node
    return Questions(
        node,
        netns,
        name,
        domain,
        servers,
        {w: Ask(node, dns.FACT, dns.Query(netns, w.server, name, transport=w.transport, port=w.port)) for w in ways},
        {server: Ask(node, dns_pair.FACT, dns_pair.Query(netns, server, name)) for server in ours},
        max(0, len(replicas) - _MOST_REPLICAS),
    )


def probe(search: tuple[str, ...]) -> tuple[str, str]:
    """`kubernetes.default` under the cluster's domain, and that domain (kubernetes.io, DNS for Services and Pods)."""
    domain = next((s.removeprefix("svc.").rstrip(".") for s in search if s.startswith("svc.")), "cluster.local")
    return f"kubernetes.default.svc.{domain}.", domain


def is_cache(address: str) -> bool:
    """Whether it is where NodeLocal DNSCache listens: 169.254.20.10 unless told otherwise (kubernetes.io, NodeLocal DNSCache).

    Clouds have resolvers of their own at 169.254.169.253 and .254, which are no node's cache.
    """
    ip = ipaddress.ip_address(address)
    return isinstance(ip, ipaddress.IPv4Address) and ip.is_link_local and ip not in _CLOUD


def _replicas(view: View, service: Service | None, servers: tuple[str, ...]) -> tuple[tuple[str, str, int], ...]:
    """The ready DNS pods behind the nameserver's service; behind a node's own cache, those of the cluster's services for DNS."""
    if not servers:
        return ()
    services = [service] if service else [s for s in view.cluster.services.values() if _serves_dns(s)]
    family = ipaddress.ip_address(servers[0]).version
    found = {e[1]: e for s in services for e in _endpoints(view, s) if ipaddress.ip_address(e[1]).version == family}
    return tuple(found.values())


def _endpoints(view: View, service: Service) -> Iterator[tuple[str, str, int]]:
    for piece in view.cluster.slices_of.get(service.key, ()):
        port = _port(service, piece)
        for endpoint in piece.endpoints if port and piece.family in ("IPv4", "IPv6") else ():
            if endpoint.ready:
                yield from ((_pod(service, endpoint), ip, port) for ip in endpoint.addresses[:1])


def _pod(service: Service, endpoint: Endpoint) -> str:
    return f"{service.namespace}/{endpoint.pod}" if endpoint.pod else f"endpoint of {service}"


def _port(service: Service, piece: EndpointSlice) -> int:
    """The pods' port behind the service's 53; a slice names it as the service does. 0 where it has none."""
    names = {p.name for p in service.ports if p.port == DNS_PORT}
    return next((p.port for p in piece.ports if p.name in names and p.port), 0)


def _serves_dns(service: Service) -> bool:
    protocols = {p.protocol for p in service.ports if p.port == DNS_PORT}
    return service.namespace in _HOMES and bool(service.cluster_ips) and protocols >= {"UDP", "TCP"}
