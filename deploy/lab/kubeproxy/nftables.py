"""kube-proxy's nftables mode as text: what ``nft list table`` prints once kube-proxy 1.36 has written its rules.

The text is valid input of ``nft -f`` too; to load it over older rules put :data:`REPLACE_TABLES` before it, in the
same file, so that the change is one transaction.
Source: ``pkg/proxy/nftables/proxier.go`` of Kubernetes, with the flags' default values, and a recording of 1.36.
"""

from collections.abc import Iterator

from deploy.lab.kubeproxy.model import Family, Node, Objects
from deploy.lab.kubeproxy.nftables_service import MARK, Context, affinity_sets, chains, elements
from deploy.lab.kubeproxy.nftables_text import Chain, Container, Element, by_container, chain_text, container_text, networks_text
from deploy.lab.kubeproxy.reading import cidr_of_family, find_node, networks_of_family, routed_ports

REPLACE_TABLES = "".join(f"{verb} table {ip} kube-proxy\n" for ip in ("ip", "ip6") for verb in ("add", "delete"))
"""nft commands that leave no table of kube-proxy, whether or not there was one."""

_LOOPBACK = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}
_NOT_LOCALHOST = {Family.IPV4: "ip daddr != 127.0.0.0/8", Family.IPV6: "ip6 daddr != ::1"}


def render_nftables(
    objects: Objects,
    node_name: str,
    *,
    cluster_cidr: str | None,
    service_cidr: str | None,
    family: Family = Family.IPV4,
) -> str:
    """The table ``kube-proxy`` of one node and one family (``ip`` or ``ip6``).

    ``cluster_cidr`` is kube-proxy's flag and ``service_cidr`` what the ServiceCIDR objects hold: one network, or some
    with commas between, chosen by family; None turns off what needs it. Services come in the order of the objects;
    kube-proxy's own order is that of a Go map, new at each start.
    Raises :class:`~deploy.lab.kubeproxy.reading.UnknownNodeError`.
    """
    node = find_node(objects, node_name, family)
    ports = routed_ports(objects, node, family)
    context = Context(family, cidr_of_family(cluster_cidr, family), node.ip or _LOOPBACK[family])
    members = by_container([*_node_port_ips(node), *(each for routed in ports for each in elements(routed))])
    containers = [*_containers(node, context), *(each for routed in ports for each in affinity_sets(routed, context))]
    every = [*_base_chains(), *_jumped_chains(node, context, service_cidr)]
    every += [each for routed in ports for each in chains(routed, context)]
    blocks = [container_text(each, members.get(each.name, ())) for each in containers] + [chain_text(each) for each in every]
    return "".join([f'table {context.ip} kube-proxy {{\n\tcomment "rules for kube-proxy"\n', "\n".join(blocks), "}\n"])


def _node_port_ips(node: Node) -> Iterator[Element]:
    """By default node ports are on the node's primary address only, where it has one of the family."""
    if node.ip:
        yield Element("nodeport-ips", (node.ip,))


def _containers(node: Node, context: Context) -> Iterator[Container]:
    address = f"ipv{context.family.value}_addr"
    place, port = f"{address} . inet_proto . inet_service", "inet_proto . inet_service"
    yield _container("set", "hairpin-connections", f"{address} . {place}", "service hairpin connections")
    yield _container("set", "cluster-ips", address, "Active ClusterIPs")
    if node.ip:
        yield _container("set", "nodeport-ips", address, "IPs that accept NodePort traffic")
    refused = "vmap to drop or reject packets to"
    yield _map("no-endpoint-services", place, f"{refused} services with no endpoints")
    yield _map("no-endpoint-nodeports", port, f"{refused} service nodeports with no endpoints")
    yield _map("firewall-ips", place, "destinations that are subject to LoadBalancerSourceRanges")
    yield _map("service-ips", place, "ClusterIP, ExternalIP and LoadBalancer IP traffic")
    yield _map("service-nodeports", port, "NodePort traffic")


def _map(name: str, key: str, comment: str) -> Container:
    return _container("map", name, f"{key} : verdict", comment)


def _container(kind: str, name: str, content: str, comment: str) -> Container:
    return Container(kind, name, (f"type {content}", f'comment "{comment}"'))


def _base_chains() -> Iterator[Chain]:
    """Where the kernel enters: load balancer source ranges before DNAT, the other filters after it."""
    firewall, services = "ct state new jump firewall-check", "ct state new jump service-endpoints-check"
    cluster_ips = "ct state new jump cluster-ips-check"
    yield _hook("filter-prerouting-pre-dnat", "filter", "prerouting", "dstnat - 10", firewall)
    yield _hook("filter-output-pre-dnat", "filter", "output", "-110", firewall)
    yield _hook("filter-input", "filter", "input", "filter", "ct state new jump nodeport-endpoints-check", services)
    yield _hook("filter-forward", "filter", "forward", "filter", services, cluster_ips)
    yield _hook("filter-output", "filter", "output", "filter", services, cluster_ips)
    yield _hook("nat-prerouting", "nat", "prerouting", "dstnat", "jump services")
    yield _hook("nat-output", "nat", "output", "-100", "jump services")
    yield _hook("nat-postrouting", "nat", "postrouting", "srcnat", "jump masquerading")


def _hook(name: str, kind: str, hook: str, priority: str, *rules: str) -> Chain:
    return Chain(name, (f"type {kind} hook {hook} priority {priority}; policy accept;", *rules))


def _jumped_chains(node: Node, context: Context, service_cidr: str | None) -> Iterator[Chain]:
    ip = context.ip
    place, port = f"{ip} daddr . meta l4proto . th dport vmap", "meta l4proto . th dport vmap"
    on_node = f"{ip} daddr @nodeport-ips" if node.ip else _NOT_LOCALHOST[context.family]
    to_node = on_node if node.ip else f"fib daddr type local {on_node}"
    yield Chain("nodeport-endpoints-check", (f"{on_node} {port} @no-endpoint-nodeports",))
    yield Chain("service-endpoints-check", (f"{place} @no-endpoint-services",))
    yield Chain("firewall-check", (f"{place} @firewall-ips",))
    caught = (f"{place} @service-ips", f"{to_node} {port} @service-nodeports")
    yield Chain("services", (*_masquerade_internal(context), *caught))
    yield Chain("masquerading", tuple(_masquerading(ip)))
    yield Chain("cluster-ips-check", tuple(_refuse_cluster_ips(context, service_cidr)))
    yield Chain("reject-chain", ('comment "helper for @no-endpoint-services / @no-endpoint-nodeports"', "reject"))


def _masquerade_internal(context: Context) -> Iterator[str]:
    if context.cluster_cidr:
        outside = f"{context.ip} daddr @cluster-ips {context.ip} saddr != {context.cluster_cidr}"
        yield f'{outside} {MARK} comment "masquerade clusterIP traffic from outside cluster"'


def _masquerading(ip: str) -> Iterator[str]:
    marked = "meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000"
    hairpin = f"ct status dnat {ip} saddr . {ip} daddr . meta l4proto . th dport @hairpin-connections"
    yield f"{marked} masquerade fully-random"
    yield f"{hairpin} masquerade fully-random"


def _refuse_cluster_ips(context: Context, service_cidr: str | None) -> Iterator[str]:
    yield f'{context.ip} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"'
    networks = networks_of_family(service_cidr.split(","), context.family) if service_cidr else ()
    if networks:
        unallocated = f"{context.ip} daddr {networks_text(networks)} drop"
        yield f'{unallocated} comment "Drop traffic to unallocated ClusterIPs"'
