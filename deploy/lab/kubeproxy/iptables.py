"""kube-proxy's iptables mode as text: what ``iptables-save`` prints once kube-proxy 1.36 has written its rules.

The text is valid input of ``iptables-restore`` too. Without ``--noflush`` it replaces the tables as a whole, so that
it can be loaded again after a change; with ``--noflush`` it suits an empty namespace only (else jumps are doubled).
Source: ``pkg/proxy/iptables/proxier.go`` of Kubernetes, with the flags' default values.
"""

from collections.abc import Iterator

from deploy.lab.kubeproxy.iptables_service import Context, service_rules
from deploy.lab.kubeproxy.iptables_text import Rule, comment, destination, rule, table_text
from deploy.lab.kubeproxy.model import Family, Objects, RoutedPort
from deploy.lab.kubeproxy.reading import cidr_of_family, find_node, routed_ports

NFACCT_OBJECTS = ("ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts")
"""Accounting objects that the rules name: ``nfacct add`` each in the namespace before the rules are loaded."""

_HOOKS = {
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
_CHAINS = {
    "mangle": ("KUBE-PROXY-CANARY",),
    "filter": (
        "KUBE-EXTERNAL-SERVICES",
        "KUBE-FIREWALL",
        "KUBE-FORWARD",
        "KUBE-NODEPORTS",
        "KUBE-PROXY-CANARY",
        "KUBE-PROXY-FIREWALL",
        "KUBE-SERVICES",
    ),
    "nat": ("KUBE-MARK-MASQ", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-PROXY-CANARY", "KUBE-SERVICES"),
}
_LOOPBACK = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}
_MANY_ENDPOINTS = 1000
_NEW = "-m conntrack --ctstate NEW"
_PORTALS = comment("kubernetes service portals")
_EXTERNAL = comment("kubernetes externally-visible service portals")
_FIREWALL = f"{_NEW} {comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL"


def render_iptables(objects: Objects, node_name: str, *, cluster_cidr: str | None, family: Family = Family.IPV4) -> str:
    """The mangle, filter and nat tables of one node and one family, each ending in COMMIT.

    ``cluster_cidr`` is kube-proxy's flag: one network, or two with a comma, one a family; None turns off what needs it.
    Services come in the order of the objects; kube-proxy's own order is that of a Go map, new at each start.
    Raises :class:`~deploy.lab.kubeproxy.reading.UnknownNodeError`.
    """
    node = find_node(objects, node_name, family)
    ports = routed_ports(objects, node, family)
    context = Context(family, cidr_of_family(cluster_cidr, family), node.ip or _LOOPBACK[family], _is_large(ports))
    rules = [*_jumps(), *_forwarding(), *_marking(), *_localnet(family)]
    rules += [each for routed in ports for each in service_rules(routed, context)]
    rules += _node_ports(family)
    return "".join(table_text(name, _HOOKS[name], _CHAINS[name], rules) for name in _HOOKS)


def _is_large(ports: tuple[RoutedPort, ...]) -> bool:
    return sum(routed.known_endpoints for routed in ports) > _MANY_ENDPOINTS


def _jumps() -> Iterator[Rule]:
    """kube-proxy puts each before those that are there, so the last one it adds comes first."""
    for hook in ("INPUT", "FORWARD", "OUTPUT"):
        if hook != "FORWARD":
            yield rule("filter", hook, "-j KUBE-FIREWALL")
        yield rule("filter", hook, _FIREWALL)
    yield rule("filter", "INPUT", comment("kubernetes health check service ports"), "-j KUBE-NODEPORTS")
    yield rule("filter", "INPUT", _NEW, _EXTERNAL, "-j KUBE-EXTERNAL-SERVICES")
    yield rule("filter", "FORWARD", comment("kubernetes forwarding rules"), "-j KUBE-FORWARD")
    yield rule("filter", "FORWARD", _NEW, _PORTALS, "-j KUBE-SERVICES")
    yield rule("filter", "FORWARD", _NEW, _EXTERNAL, "-j KUBE-EXTERNAL-SERVICES")
    yield rule("filter", "OUTPUT", _NEW, _PORTALS, "-j KUBE-SERVICES")
    yield rule("nat", "PREROUTING", _PORTALS, "-j KUBE-SERVICES")
    yield rule("nat", "OUTPUT", _PORTALS, "-j KUBE-SERVICES")
    yield rule("nat", "POSTROUTING", comment("kubernetes postrouting rules"), "-j KUBE-POSTROUTING")


def _forwarding() -> Iterator[Rule]:
    invalid = "-m conntrack --ctstate INVALID -m nfacct --nfacct-name  ct_state_invalid_dropped_pkts"
    known = "-m conntrack --ctstate RELATED,ESTABLISHED"
    marked = "-m mark --mark 0x4000/0x4000"
    yield rule("filter", "KUBE-FORWARD", invalid, "-j DROP")
    yield rule("filter", "KUBE-FORWARD", comment("kubernetes forwarding rules"), marked, "-j ACCEPT")
    yield rule("filter", "KUBE-FORWARD", comment("kubernetes forwarding conntrack rule"), known, "-j ACCEPT")


def _marking() -> Iterator[Rule]:
    why = comment("kubernetes service traffic requiring SNAT")
    yield rule("nat", "KUBE-MARK-MASQ", "-j MARK --set-xmark 0x4000/0x4000")
    yield rule("nat", "KUBE-POSTROUTING", "-m mark ! --mark 0x4000/0x4000 -j RETURN")
    yield rule("nat", "KUBE-POSTROUTING", "-j MARK --set-xmark 0x4000/0x0")
    yield rule("nat", "KUBE-POSTROUTING", why, "-j MASQUERADE --random-fully")


def _localnet(family: Family) -> Iterator[Rule]:
    """Node ports on 127.0.0.1 need route_localnet, which would let neighbours in; IPv6 has no such thing."""
    if family is Family.IPV4:
        outside = f"! -s 127.0.0.0/8 {destination('127.0.0.0/8')}"
        unasked = "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT"
        why = comment("block incoming localnet connections")
        yield rule("filter", "KUBE-FIREWALL", outside, why, unasked, "-j DROP")


def _node_ports(family: Family) -> Iterator[Rule]:
    why = comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")
    elsewhere = "! -d ::1/128" if family is Family.IPV6 else ""
    yield rule("nat", "KUBE-SERVICES", elsewhere, why, "-m addrtype --dst-type LOCAL", "-j KUBE-NODEPORTS")
