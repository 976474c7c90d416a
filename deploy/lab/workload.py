"""What runs in the lab: the pods of each node, as a scheduler would have placed them, and the services before them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence

from deploy.lab import dns, images, proxy
from deploy.lab.manifests import Object, PortPlan, service
from deploy.lab.plan import DNS_ADDRESS, DNS_ADDRESS6, DOMAIN, NodePlan
from deploy.lab.runtime import PodSpec, Port

HELLO_HASH = "5b446dd74b"  # of the ReplicaSet's pod template
DNS_HASH = "6d4b75cb6d"
_HELLO_PORT = 8080
_HELLO_ADDRESSES = ("10.96.47.200", "fd00:10:96::2fc8")
_HELLO_LABELS = {"app": "hello-world"}
_DNS_LABELS = {"k8s-app": "kube-dns"}
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of generated names (k8s.io/apimachinery/pkg/util/rand)


def pods(plans: Sequence[NodePlan]) -> Mapping[NodePlan, tuple[PodSpec, ...]]:
    """The pods of each node; every call makes new UIDs, as a new cluster has."""
    return {plan: (_hello(plan), _client(plan), _dns(plan), _proxy(plan)) for plan in plans}


def services() -> Iterator[Object]:
    """The services, without the endpoints that follow from what runs."""
    web = PortPlan("http", "TCP", 80, _HELLO_PORT)
    yield service(("default", "hello-world"), _HELLO_ADDRESSES, [web], _HELLO_LABELS)
    queries = [PortPlan("dns", "UDP", 53, 53), PortPlan("dns-tcp", "TCP", 53, 53)]
    yield service(("kube-system", "kube-dns"), (DNS_ADDRESS, DNS_ADDRESS6), queries, _DNS_LABELS)


def _hello(plan: NodePlan) -> PodSpec:
    serve = f"hostname > /www/index.html; exec httpd -f -p {_HELLO_PORT} -h /www"
    return _pod(
        name=f"hello-world-{HELLO_HASH}-{_suffix(plan, 'hello-world')}",
        container="hello",
        command=("/bin/sh", "-c", serve),
        labels={**_HELLO_LABELS, "pod-template-hash": HELLO_HASH},
        ports=(Port("http", _HELLO_PORT),),
    )


def _client(plan: NodePlan) -> PodSpec:
    name = "client" if plan.number == 1 else plan.name.replace("node", "client")
    return _pod(name=name, container="shell", command=("/pause",), labels={"app": name})


def _pod(
    *, name: str, container: str, command: tuple[str, ...], labels: Mapping[str, str], ports: tuple[Port, ...] = ()
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
        searches=(f"default.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN),
        ports=ports,
    )


def _dns(plan: NodePlan) -> PodSpec:
    """CoreDNS's place is taken by dnsmasq, which serves the lab's services; it is not its own client (``Default``)."""
    return PodSpec(
        name=f"kube-dns-{DNS_HASH}-{_suffix(plan, 'kube-dns')}",
        namespace="kube-system",
        uid=str(uuid.uuid4()),
        container="dnsmasq",
        image=images.DNS,
        command=dns.COMMAND,
        labels={**_DNS_LABELS, "pod-template-hash": DNS_HASH},
        mounts={dns.FOLDER: dns.FOLDER},
        ports=(Port("dns", 53, "UDP"), Port("dns-tcp", 53)),
    )


def _proxy(plan: NodePlan) -> PodSpec:
    """kube-proxy's place: a pod in the node's own network that says what kube-proxy would; the rules are written for it."""
    return PodSpec(
        name=f"kube-proxy-{_suffix(plan, 'kube-proxy')}",
        namespace="kube-system",
        uid=str(uuid.uuid4()),
        container="kube-proxy",
        image=images.BUSYBOX,
        command=("/bin/kube-proxy", "--config=/var/lib/kube-proxy/config.conf", f"--hostname-override={plan.name}"),
        labels={"k8s-app": "kube-proxy"},
        mounts={proxy.STATUS: "/status"},
        host_network=True,
    )


def _suffix(plan: NodePlan, name: str) -> str:
    """What a controller would make up, but the same in every lab."""
    digest = hashlib.sha256(f"{name} on {plan.name}".encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:5])
