"""kube-proxy's IPVS mode as text: what ``ipvsadm-save -n`` prints once kube-proxy has made its virtual servers.

Source: ``syncProxyRules`` and ``syncEndpoint`` in ``pkg/proxy/ipvs/proxier.go`` of Kubernetes, with the flags' default values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.lab.kubeproxy.model import Endpoint, Family, Node, Objects, RoutedPort
from deploy.lab.kubeproxy.reading import find_node, routed_ports

DEVICE = "kube-ipvs0"
SETTINGS = {
    "net.ipv4.vs.conntrack": 1,
    "net.ipv4.vs.expire_nodest_conn": 1,
    "net.ipv4.vs.expire_quiescent_template": 1,
}
"""What kube-proxy sets before it makes its first virtual server."""
_OPTIONS = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}


@dataclass(frozen=True)
class VirtualServers:
    """Input of ``ipvsadm-restore``, and the addresses that the device has for it; node ports need none."""

    text: str
    addresses: tuple[str, ...]


def render_ipvs(objects: Objects, node_name: str, *, family: Family = Family.IPV4) -> VirtualServers:
    """The virtual servers of one node and one family. Raises :class:`~deploy.lab.kubeproxy.reading.UnknownNodeError`."""
    node = find_node(objects, node_name, family)
    ports = routed_ports(objects, node, family)
    lines = [line for routed in ports for line in _lines(routed, node)]
    addresses = dict.fromkeys(address for routed in ports for address in _addresses(routed))
    return VirtualServers("".join(f"{line}\n" for line in lines), tuple(addresses))


def _addresses(routed: RoutedPort) -> tuple[str, ...]:
    service = routed.service
    return service.cluster_ip, *service.external_ips, *service.load_balancer_ips


def _lines(routed: RoutedPort, node: Node) -> Iterator[str]:
    service = routed.service
    inside = routed.reach.local if service.internal_local else routed.reach.cluster
    outside = _outside(routed)
    yield from _server(routed, service.cluster_ip, service.port, inside)
    for address in (*service.external_ips, *service.load_balancer_ips):
        yield from _server(routed, address, service.port, outside)
    if service.node_port is not None and node.ip:
        yield from _server(routed, node.ip, service.node_port, outside)


def _outside(routed: RoutedPort) -> Sequence[Endpoint]:
    """Policy Local falls back to all where the node has none, for the pods on it; traffic from outside is dropped elsewhere."""
    if routed.service.external_local and routed.reach.local:
        return routed.reach.local
    return routed.reach.cluster


def _server(routed: RoutedPort, address: str, port: int, endpoints: Sequence[Endpoint]) -> Iterator[str]:
    host = f"[{address}]" if ":" in address else address
    name = f"{_OPTIONS[routed.name.protocol]} {host}:{port}"
    seconds = routed.service.affinity_seconds
    yield f"-A {name} -s rr" + ("" if seconds is None else f" -p {seconds}")
    for endpoint in endpoints:
        yield f"-a {name} -r {endpoint} -m -w 1"
