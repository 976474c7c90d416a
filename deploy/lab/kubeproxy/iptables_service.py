"""The iptables rules of one service port: how each of its addresses is caught, and how an endpoint is chosen.

Source: the loop of ``syncProxyRules`` in ``pkg/proxy/iptables/proxier.go`` of Kubernetes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from deploy.lab.kubeproxy.iptables_text import Rule, comment, destination, dport, probability, rule, source
from deploy.lab.kubeproxy.model import Endpoint, Family, RoutedPort
from deploy.lab.kubeproxy.names import iptables_endpoint, iptables_service

_MASQUERADE = "-j KUBE-MARK-MASQ"
_FROM_NODE = "-m addrtype --src-type LOCAL"
_TO_NODE = "-m addrtype --dst-type LOCAL"
_MASK = {Family.IPV4: "255.255.255.255", Family.IPV6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}
_REJECT = {
    Family.IPV4: "-j REJECT --reject-with icmp-port-unreachable",
    Family.IPV6: "-j REJECT --reject-with icmp6-port-unreachable",
}
# iptables-save prints the name of an accounting object after two blanks.
_COUNT_LOCALHOST = "-m nfacct --nfacct-name  localhost_nps_accepted_pkts"


@dataclass(frozen=True)
class Context:
    """What holds for every service port of one node; ``terse``: too many endpoints for a comment on each."""

    family: Family
    cluster_cidr: str | None
    node_ip: str
    terse: bool


def service_rules(routed: RoutedPort, context: Context) -> Iterator[Rule]:
    """Every rule that one service port needs, each chain's in kube-proxy's order."""
    yield from _capture_cluster_ip(routed, context)
    yield from _capture_external_ips(routed, context)
    yield from _capture_load_balancer_ips(routed, context)
    yield from _capture_node_port(routed, context)
    yield from _accept_health_check(routed)
    yield from _masquerade_internal(routed, context)
    yield from _route_external(routed, context)
    yield from _admit_source_ranges(routed, context)
    yield from _balance(routed, context, _chain("SVC", routed), routed.reach.cluster)
    yield from _balance(routed, context, _chain("SVL", routed), routed.reach.local)
    for endpoint in routed.reach.all:
        yield from _endpoint_rules(routed, context, endpoint)


def _capture_cluster_ip(routed: RoutedPort, context: Context) -> Iterator[Rule]:
    service = routed.service
    if routed.internal:
        chain = _chain("SVL" if service.internal_local else "SVC", routed)
        yield _to_address("nat", "KUBE-SERVICES", routed, service.cluster_ip, f"{routed.name} cluster IP", f"-j {chain}")
    else:
        yield _to_address("filter", "KUBE-SERVICES", routed, service.cluster_ip, *_refusal(routed, context))


def _capture_external_ips(routed: RoutedPort, context: Context) -> Iterator[Rule]:
    for ip in routed.service.external_ips:
        if routed.reach.anywhere:
            target = f"-j {_chain('EXT', routed)}"
            yield _to_address("nat", "KUBE-SERVICES", routed, ip, f"{routed.name} external IP", target)
        if not routed.external:
            yield _to_address("filter", "KUBE-EXTERNAL-SERVICES", routed, ip, *_refusal(routed, context))


def _capture_load_balancer_ips(routed: RoutedPort, context: Context) -> Iterator[Rule]:
    firewall = _chain("FW", routed)
    chain = firewall if routed.firewalled else _chain("EXT", routed)
    for ip in routed.service.load_balancer_ips:
        if routed.reach.anywhere:
            yield _to_address("nat", "KUBE-SERVICES", routed, ip, f"{routed.name} loadbalancer IP", f"-j {chain}")
            if routed.firewalled:
                why = f"{routed.name} traffic not accepted by {firewall}"
                yield _to_address("filter", "KUBE-PROXY-FIREWALL", routed, ip, why, "-j DROP")
        if not routed.external:
            yield _to_address("filter", "KUBE-EXTERNAL-SERVICES", routed, ip, *_refusal(routed, context))


def _capture_node_port(routed: RoutedPort, context: Context) -> Iterator[Rule]:
    protocol, port = routed.name.protocol, routed.service.node_port
    if port is None:
        return
    match, what = dport(protocol, port), comment(str(routed.name))
    target = f"-j {_chain('EXT', routed)}"
    if routed.reach.anywhere and context.family is Family.IPV4:
        local = destination("127.0.0.0/8")
        yield rule("nat", "KUBE-NODEPORTS", local, f"-p {protocol}", what, match, _COUNT_LOCALHOST, target)
    if routed.reach.anywhere:
        yield rule("nat", "KUBE-NODEPORTS", f"-p {protocol}", what, match, target)
    if not routed.external:
        why, refuse = _refusal(routed, context)
        yield rule("filter", "KUBE-EXTERNAL-SERVICES", f"-p {protocol}", comment(why), _TO_NODE, match, refuse)


def _accept_health_check(routed: RoutedPort) -> Iterator[Rule]:
    port = routed.service.health_check_node_port
    if port is not None:
        what = comment(f"{routed.name} health check node port")
        yield rule("filter", "KUBE-NODEPORTS", "-p tcp", what, dport("tcp", port), "-j ACCEPT")


def _masquerade_internal(routed: RoutedPort, context: Context) -> Iterator[Rule]:
    """Traffic from outside the cluster to a cluster IP may leave the node again, so its answer must come back here."""
    service = routed.service
    if routed.internal and context.cluster_cidr:
        chain = _chain("SVL" if service.internal_local else "SVC", routed)
        to = _to_address("nat", chain, routed, service.cluster_ip, f"{routed.name} cluster IP", _MASQUERADE)
        yield rule("nat", chain, f"! -s {context.cluster_cidr}", to.spec)


def _route_external(routed: RoutedPort, context: Context) -> Iterator[Rule]:
    if not routed.has_external_chain:
        return
    chain, cluster = _chain("EXT", routed), f"-j {_chain('SVC', routed)}"
    outside = f"{routed.name} external destinations"
    if not routed.service.external_local:
        yield rule("nat", chain, comment(f"masquerade traffic for {outside}"), _MASQUERADE)
        yield rule("nat", chain, cluster)
        return
    if context.cluster_cidr:
        yield rule("nat", chain, source(context.cluster_cidr), comment(f"pod traffic for {outside}"), cluster)
    yield rule("nat", chain, comment(f"masquerade LOCAL traffic for {outside}"), _FROM_NODE, _MASQUERADE)
    yield rule("nat", chain, comment(f"route LOCAL traffic for {outside}"), _FROM_NODE, cluster)
    if routed.external:
        yield rule("nat", chain, f"-j {_chain('SVL', routed)}")


def _admit_source_ranges(routed: RoutedPort, context: Context) -> Iterator[Rule]:
    service, chain = routed.service, _chain("FW", routed)
    if not (routed.firewalled and routed.reach.anywhere):
        return
    what, admit = comment(f"{routed.name} loadbalancer IP"), f"-j {_chain('EXT', routed)}"
    admitted = list(service.source_ranges)
    if any(ip_address(context.node_ip) in ip_network(network) for network in admitted):
        admitted += service.load_balancer_ips  # the node itself talks to them from their own address
    for network in admitted:
        yield rule("nat", chain, source(network), what, admit)
    yield rule("nat", chain, comment(f"other traffic to {routed.name} will be dropped by KUBE-PROXY-FIREWALL"))


def _balance(routed: RoutedPort, context: Context, chain: str, endpoints: Sequence[Endpoint]) -> Iterator[Rule]:
    if routed.service.affinity_seconds is not None:
        for endpoint in endpoints:
            yield _to_endpoint(routed, context, chain, endpoint, _remembered(routed, context, endpoint))
    for left, endpoint in zip(range(len(endpoints), 0, -1), endpoints, strict=True):
        yield _to_endpoint(routed, context, chain, endpoint, probability(left) if left > 1 else "")


def _to_endpoint(routed: RoutedPort, context: Context, chain: str, endpoint: Endpoint, match: str) -> Rule:
    what = "" if context.terse else comment(f"{routed.name} -> {endpoint}")
    return rule("nat", chain, what, match, f"-j {iptables_endpoint(routed.name, endpoint)}")


def _endpoint_rules(routed: RoutedPort, context: Context, endpoint: Endpoint) -> Iterator[Rule]:
    chain, protocol = iptables_endpoint(routed.name, endpoint), routed.name.protocol
    what = "" if context.terse else comment(str(routed.name))
    yield rule("nat", chain, source(endpoint.ip), what, _MASQUERADE)  # hairpin: an endpoint that reached itself
    remember = "" if routed.service.affinity_seconds is None else _list(chain, "--set", context)
    to = f"-m {protocol} -j DNAT --to-destination {endpoint}"
    yield rule("nat", chain, f"-p {protocol}", what, remember, to)


def _remembered(routed: RoutedPort, context: Context, endpoint: Endpoint) -> str:
    check = f"--rcheck --seconds {routed.service.affinity_seconds} --reap"
    return _list(iptables_endpoint(routed.name, endpoint), check, context)


def _list(chain: str, action: str, context: Context) -> str:
    return f"-m recent {action} --name {chain} --mask {_MASK[context.family]} --rsource"


def _refusal(routed: RoutedPort, context: Context) -> tuple[str, str]:
    """Why and how traffic is turned away: told at once if no endpoint exists, dropped if none is on this node."""
    if routed.reach.anywhere:
        return f"{routed.name} has no local endpoints", "-j DROP"
    return f"{routed.name} has no endpoints", _REJECT[context.family]


def _to_address(table: str, chain: str, routed: RoutedPort, ip: str, what: str, target: str) -> Rule:
    protocol = routed.name.protocol
    match = dport(protocol, routed.service.port)
    return rule(table, chain, destination(ip), f"-p {protocol}", comment(what), match, target)


def _chain(prefix: str, routed: RoutedPort) -> str:
    return iptables_service(prefix, routed.name)
