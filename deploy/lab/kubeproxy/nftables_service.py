"""What one service port adds to kube-proxy's nftables table: elements of its maps, affinity sets and chains.

Source: the loop of ``syncProxyRules`` in ``pkg/proxy/nftables/proxier.go`` of Kubernetes, and a recording of 1.36.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from deploy.lab.kubeproxy.model import Endpoint, Family, RoutedPort
from deploy.lab.kubeproxy.names import nftables_endpoint, nftables_service
from deploy.lab.kubeproxy.nftables_text import Chain, Container, Element, networks_text

MARK = "meta mark set meta mark | 0x00004000"
"""The mark that asks for masquerading, as the kernel gives it back."""


@dataclass(frozen=True)
class Context:
    """What holds for every service port of one node."""

    family: Family
    cluster_cidr: str | None
    node_ip: str

    @property
    def ip(self) -> str:
        """The word for this family's header."""
        return "ip" if self.family is Family.IPV4 else "ip6"


def elements(routed: RoutedPort) -> Iterator[Element]:
    """Its members of the table's sets and maps."""
    service = routed.service
    internal = "local" if service.internal_local else "service"
    yield Element("cluster-ips", (service.cluster_ip,))
    if routed.internal:
        yield _to_address(routed, "service-ips", service.cluster_ip, _goto(routed, internal))
    else:
        yield _refused(routed, service.cluster_ip)
    for ip in (*service.external_ips, *service.load_balancer_ips):
        yield from _external(routed, ip)
    if routed.firewalled:
        for ip in service.load_balancer_ips:
            yield _to_address(routed, "firewall-ips", ip, _goto(routed, "firewall"))
    yield from _node_port(routed)
    yield from _hairpins(routed)


def affinity_sets(routed: RoutedPort, context: Context) -> Iterator[Container]:
    """One set of clients for each endpoint, where the service wants them to return to it."""
    seconds = routed.service.affinity_seconds
    if seconds is None:
        return
    for endpoint in routed.reach.all:
        name = nftables_endpoint("affinity", routed.name, endpoint)
        kind = f"type ipv{context.family.value}_addr"
        yield Container("set", name, (kind, "size 65535", "flags dynamic,timeout", f"timeout {_duration(seconds)}"))


def chains(routed: RoutedPort, context: Context) -> Iterator[Chain]:
    """Its chains, in the order in which kube-proxy creates them."""
    if routed.service.affinity_seconds is not None:
        for endpoint in routed.reach.all:
            yield _endpoint_chain(routed, context, endpoint)
    for prefix, chosen in (("service", routed.reach.cluster), ("local", routed.reach.local)):
        if chosen:
            yield Chain(nftables_service(prefix, routed.name), tuple(_balance(routed, context, chosen)))
    if routed.has_external_chain:
        yield Chain(nftables_service("external", routed.name), tuple(_route_external(routed, context)))
    if routed.firewalled:
        yield Chain(nftables_service("firewall", routed.name), (_refuse_others(routed, context),))


def _external(routed: RoutedPort, ip: str) -> Iterator[Element]:
    if routed.reach.anywhere:
        yield _to_address(routed, "service-ips", ip, _goto(routed, "external"))
    if not routed.external:
        yield _refused(routed, ip)


def _node_port(routed: RoutedPort) -> Iterator[Element]:
    if routed.service.node_port is None:
        return
    key = (routed.name.protocol, str(routed.service.node_port))
    if routed.reach.anywhere:
        yield Element("service-nodeports", key, _goto(routed, "external"))
    if not routed.external:
        yield Element("no-endpoint-nodeports", key, _refusal(routed), str(routed.name))


def _hairpins(routed: RoutedPort) -> Iterator[Element]:
    """Only an endpoint on this node can reach itself through it."""
    for endpoint in routed.reach.all:
        if endpoint.local:
            key = (endpoint.ip, endpoint.ip, routed.name.protocol, str(endpoint.port))
            yield Element("hairpin-connections", key)


def _to_address(routed: RoutedPort, container: str, ip: str, verdict: str) -> Element:
    return Element(container, (ip, routed.name.protocol, str(routed.service.port)), verdict)


def _refused(routed: RoutedPort, ip: str) -> Element:
    key = (ip, routed.name.protocol, str(routed.service.port))
    return Element("no-endpoint-services", key, _refusal(routed), str(routed.name))


def _refusal(routed: RoutedPort) -> str:
    """Told at once if no endpoint exists, dropped if none is on this node."""
    return "drop" if routed.reach.anywhere else "goto reject-chain"


def _balance(routed: RoutedPort, context: Context, endpoints: Sequence[Endpoint]) -> Iterator[str]:
    size = len(endpoints)
    if routed.service.affinity_seconds is None:
        choices = (f"{number} : {each.ip} . {each.port}" for number, each in enumerate(endpoints))
        to = f"dnat {context.ip} to numgen random mod {size} map {{ {', '.join(choices)} }}"
        yield f"meta l4proto {routed.name.protocol} {to}"
        return
    gotos = [f"goto {nftables_endpoint('endpoint', routed.name, each)}" for each in endpoints]
    for endpoint, goto in zip(endpoints, gotos, strict=True):
        yield f"{context.ip} saddr @{nftables_endpoint('affinity', routed.name, endpoint)} {goto}"
    verdicts = ", ".join(f"{number} : {goto}" for number, goto in enumerate(gotos))
    yield f"numgen random mod {size} vmap {{ {verdicts} }}"


def _endpoint_chain(routed: RoutedPort, context: Context, endpoint: Endpoint) -> Chain:
    affinity = nftables_endpoint("affinity", routed.name, endpoint)
    remember = f"update @{affinity} {{ {context.ip} saddr }}"
    to = f"meta l4proto {routed.name.protocol} dnat to {endpoint}"
    return Chain(nftables_endpoint("endpoint", routed.name, endpoint), (remember, to))


def _route_external(routed: RoutedPort, context: Context) -> Iterator[str]:
    cluster = _goto(routed, "service")
    if not routed.service.external_local:
        yield f'{MARK} comment "masquerade"'
        yield cluster
        return
    if context.cluster_cidr:
        yield f'{context.ip} saddr {context.cluster_cidr} {cluster} comment "short-circuit pod traffic"'
    yield f'fib saddr type local {MARK} comment "masquerade local traffic"'
    yield f'fib saddr type local {cluster} comment "short-circuit local traffic"'
    if routed.external:
        yield _goto(routed, "local")


def _refuse_others(routed: RoutedPort, context: Context) -> str:
    admitted = list(routed.service.source_ranges)
    if any(ip_address(context.node_ip) in ip_network(network) for network in admitted):
        admitted += routed.service.load_balancer_ips  # the node itself talks to them from their own address
    return f"{context.ip} saddr != {networks_text(admitted)} drop"


def _goto(routed: RoutedPort, prefix: str) -> str:
    return f"goto {nftables_service(prefix, routed.name)}"


def _duration(seconds: int) -> str:
    """As nft writes it: 90 s is ``1m30s``."""
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    words = []
    for unit, size in units:
        count, seconds = divmod(seconds, size)
        words += [f"{count}{unit}"] if count else []
    return "".join(words)
