"""kube-proxy's part on one node: the rules of :mod:`deploy.lab.kubeproxy`, loaded with the tools that it uses."""

from __future__ import annotations

from deploy.lab.kubeproxy.iptables import NFACCT_OBJECTS, render_iptables
from deploy.lab.kubeproxy.model import Family, Objects
from deploy.lab.kubeproxy.nftables import REPLACE_TABLES, render_nftables
from deploy.lab.node import Node
from deploy.lab.plan import POD_CIDRS, SERVICE_CIDRS, NodePlan, Proxy

_RESTORE = {Family.IPV4: "iptables-nft-restore", Family.IPV6: "ip6tables-nft-restore"}


def prepare(node: Node, plan: NodePlan) -> None:
    """Make, once, what the rules count in."""
    if plan.proxy is Proxy.IPTABLES:
        for name in NFACCT_OBJECTS:
            node.run(["nfacct", "add", name])


def sync(node: Node, plan: NodePlan, objects: Objects) -> None:
    """Replace the node's service rules, of both families, by those that ``objects`` ask for."""
    if plan.proxy is Proxy.IPTABLES:
        for family, restore in _RESTORE.items():
            node.run([restore], stdin=render_iptables(objects, plan.name, cluster_cidr=POD_CIDRS, family=family))
    else:
        tables = (
            render_nftables(objects, plan.name, cluster_cidr=POD_CIDRS, service_cidr=SERVICE_CIDRS, family=family)
            for family in Family
        )
        node.run(["nft", "-f", "-"], stdin=REPLACE_TABLES + "".join(tables))
