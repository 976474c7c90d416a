"""kube-proxy's part on one node: the rules of :mod:`deploy.lab.kubeproxy`, loaded with the tools that it uses.

What it says of itself on :10256/healthz, :10249/proxyMode and :10249/metrics is true of these syncs.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from deploy.lab.kubeproxy.iptables import NFACCT_OBJECTS, render_iptables
from deploy.lab.kubeproxy.model import Family, Objects
from deploy.lab.kubeproxy.nftables import REPLACE_TABLES, render_nftables
from deploy.lab.node import Node
from deploy.lab.plan import POD_CIDRS, SERVICE_CIDRS, NodePlan, Proxy

STATUS = "/var/lib/lab-proxy"  # of a node, shown to its kube-proxy pod, which serves it
_RESTORE = {Family.IPV4: "iptables-nft-restore", Family.IPV6: "ip6tables-nft-restore"}


def prepare(node: Node, plan: NodePlan) -> None:
    """Make, once, what the rules count in, and what the pod will serve."""
    publish(node, plan, queued=time.time(), synced=0.0)
    if plan.proxy is Proxy.IPTABLES:
        for name in NFACCT_OBJECTS:
            node.run(["nfacct", "add", name])


def sync(node: Node, plan: NodePlan, objects: Objects) -> None:
    """Replace the node's service rules, of both families, by those that ``objects`` ask for."""
    queued = time.time()
    if plan.proxy is Proxy.IPTABLES:
        for family, restore in _RESTORE.items():
            node.run([restore], stdin=render_iptables(objects, plan.name, cluster_cidr=POD_CIDRS, family=family))
    else:
        tables = (
            render_nftables(objects, plan.name, cluster_cidr=POD_CIDRS, service_cidr=SERVICE_CIDRS, family=family)
            for family in Family
        )
        node.run(["nft", "-f", "-"], stdin=REPLACE_TABLES + "".join(tables))
    publish(node, plan, queued=queued, synced=time.time())


def publish(node: Node, plan: NodePlan, *, queued: float, synced: float) -> None:
    """Let kube-proxy say when it last had something to do, and when it had last done it, in seconds since the epoch."""
    start = "kubeproxy_sync_proxy_rules_last"
    metrics = f"{start}_queued_timestamp_seconds {queued!r}\n{start}_timestamp_seconds {synced!r}\n"
    health = f'{{"lastUpdated": "{datetime.fromtimestamp(synced, UTC)}","nodeEligible": true}}'
    for name, text in (("metrics/metrics", metrics), ("metrics/proxyMode", plan.proxy.value), ("health/healthz", health)):
        node.write(f"{STATUS}/{name}", text)
