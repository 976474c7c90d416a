"""What runs in the lab: the pods of each node, as a scheduler would have placed them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from deploy.lab import images
from deploy.lab.plan import DNS_ADDRESS, NODES, NodePlan
from deploy.lab.runtime import PodSpec

HELLO_HASH = "5b446dd74b"  # of the ReplicaSet's pod template
DNS_HASH = "6d4b75cb6d"
HELLO_PORT = 8080
PROXY_HEALTH_PORT = 10256  # k8s.io/kubernetes/pkg/cluster/ports
_DOMAIN = "cluster.local"
_SUFFIXES = {"node-one": ("pxtzt", "x7k4q", "m2vbn"), "node-two": ("q9wl2", "c5hfd", "t8rjz")}
_CLIENTS = {"node-one": "client", "node-two": "client-two"}
DNS_FOLDER = "/etc/lab-dns"  # on each node, shown to its DNS pod


def pods() -> Mapping[NodePlan, tuple[PodSpec, ...]]:
    """The pods of each node; every call makes new UIDs, as a new cluster has."""
    return {plan: (_hello(plan), _client(plan), _dns(plan), _proxy(plan)) for plan in NODES}


def _hello(plan: NodePlan) -> PodSpec:
    serve = f"hostname > /www/index.html; exec httpd -f -p {HELLO_PORT} -h /www"
    return _pod(
        name=f"hello-world-{HELLO_HASH}-{_SUFFIXES[plan.name][0]}",
        container="hello",
        command=("/bin/sh", "-c", serve),
        labels={"app": "hello-world", "pod-template-hash": HELLO_HASH},
        ports={"http": HELLO_PORT},
    )


def _client(plan: NodePlan) -> PodSpec:
    name = _CLIENTS[plan.name]
    return _pod(name=name, container="shell", command=("/bin/sleep", "1000000"), labels={"app": name})


def _pod(
    *, name: str, container: str, command: tuple[str, ...], labels: Mapping[str, str], ports: Mapping[str, int] | None = None
) -> PodSpec:
    """A pod of the namespace ``default``, with the resolver that the kubelet writes for ``ClusterFirst``."""
    return PodSpec(
        name=name,
        namespace="default",
        uid=str(uuid.uuid4()),
        container=container,
        image=images.BUSYBOX,
        command=command,
        labels=labels,
        nameservers=(DNS_ADDRESS,),
        searches=(f"default.svc.{_DOMAIN}", f"svc.{_DOMAIN}", _DOMAIN),
        ports=ports or {},
    )


def _dns(plan: NodePlan) -> PodSpec:
    """CoreDNS's place is taken by dnsmasq, which serves the lab's services; it is not its own client (``Default``)."""
    return PodSpec(
        name=f"kube-dns-{DNS_HASH}-{_SUFFIXES[plan.name][1]}",
        namespace="kube-system",
        uid=str(uuid.uuid4()),
        container="dnsmasq",
        image=images.DNS,
        command=("/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/etc/dns/dnsmasq.conf"),
        labels={"k8s-app": "kube-dns", "pod-template-hash": DNS_HASH},
        mounts={DNS_FOLDER: "/etc/dns"},
        ports={"dns": 53, "dns-tcp": 53},
    )


def _proxy(plan: NodePlan) -> PodSpec:
    """kube-proxy's place: a pod in the node's own network that answers its health check; the rules are written for it."""
    serve = f"echo ok > /www/healthz; exec httpd -f -p {PROXY_HEALTH_PORT} -h /www"
    return PodSpec(
        name=f"kube-proxy-{_SUFFIXES[plan.name][2]}",
        namespace="kube-system",
        uid=str(uuid.uuid4()),
        container="kube-proxy",
        image=images.BUSYBOX,
        command=("/bin/sh", "-c", serve),
        labels={"k8s-app": "kube-proxy"},
        host_network=True,
    )
