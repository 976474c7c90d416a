"""The wire between the nodes: a bridge in a namespace of its own, so that the machine's network has no part of the lab."""

from __future__ import annotations

from collections.abc import Iterable

from deploy.lab.node import Node, Site
from deploy.lab.plan import GATEWAY, GATEWAY6, NodePlan

_BRIDGE = "fab0"
_ADDRESS = "02:00:00:00:fa:b0"  # its own: else it is the lowest of its ports', and changes when a node comes or goes
_LINKS_ONLY = ("--mount", "--net")  # in our own pid namespace, where ``netns PID`` names a node


class Fabric(Node):
    """A node without pods that holds the bridge. Nothing leads out of it, so nothing the lab sends can leave."""

    def __init__(self, site: Site) -> None:
        """Make the bridge, with the address that is every node's gateway."""
        super().__init__("fabric", site)
        self.sysctl({"net.bridge.bridge-nf-call-iptables": 0, "net.bridge.bridge-nf-call-ip6tables": 0})
        self.ip(
            f"link add {_BRIDGE} type bridge",
            f"link set {_BRIDGE} address {_ADDRESS}",
            f"addr add {GATEWAY}/24 dev {_BRIDGE}",
            f"addr add {GATEWAY6}/64 dev {_BRIDGE} nodad",
            f"link set {_BRIDGE} up",
        )

    def plug(self, node: Node, plan: NodePlan, others: Iterable[NodePlan]) -> None:
        """Give ``node`` its ``eth0`` with both addresses, routes to the pods of the ``others``, and the world's resolver."""
        node.sysctl(_FORWARDING)  # first: a device keeps the defaults it was born with
        name = f"to-{plan.name}"
        add = f"link add {name} type veth peer name eth0 netns {node.pid}\nlink set {name} master {_BRIDGE} up\n"
        self.run(["ip", "-batch", "-"], stdin=add, namespaces=_LINKS_ONLY)
        self.ip(*_pod_routes(plan))
        node.ip(
            f"addr add {plan.address}/24 dev eth0",
            f"addr add {plan.address6}/64 dev eth0 nodad",
            "link set eth0 up",
            f"route add 0.0.0.0/0 via {GATEWAY}",
            f"route add ::/0 via {GATEWAY6}",
        )
        for other in others:
            node.ip(*_pod_routes(other))
        node.write("/etc/resolv.conf", f"nameserver {GATEWAY}\n")

    def unplug(self, plan: NodePlan) -> None:
        """Forget a node that leaves before the fabric does; the next one with its addresses has another MAC."""
        self.ip(
            *(route.replace("route add", "route del") for route in _pod_routes(plan)),
            *(f"neigh flush to {address}" for address in (plan.address, plan.address6)),
        )


def _pod_routes(plan: NodePlan) -> tuple[str, str]:
    return f"route add {plan.pod_cidr} via {plan.address}", f"route add {plan.pod_cidr6} via {plan.address6}"


_FORWARDING = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv6.conf.default.accept_dad": 0,  # addresses are given out once: waiting for a duplicate costs a second a pod
}
