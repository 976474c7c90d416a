"""The cluster's DNS: dnsmasq in the place of CoreDNS, answering ``*.svc.cluster.local`` from the lab's services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploy.lab.manifests import Object
from deploy.lab.node import Node
from deploy.lab.plan import DOMAIN, GATEWAY
from deploy.lab.runtime import PodFacts

FOLDER = "/etc/lab-dns"  # of a node, shown to its DNS pod
_CONFIG = f"{FOLDER}/dnsmasq.conf"
# dnsmasq reads records only when it starts; the loop starts it again after ``serve`` ended it.
COMMAND = ("/bin/sh", "-c", f"while :; do /usr/sbin/dnsmasq --keep-in-foreground --conf-file={_CONFIG}; done")
_BASE = f"""user=root
group=
pid-file=
log-facility=-
no-hosts
no-resolv
server={GATEWAY}
"""


def configuration(services: Sequence[Object], authority: str = "") -> str:
    """The configuration of dnsmasq: addresses and SRV records of each service (Kubernetes DNS specification 1.1.0).

    ``authority`` is whom it asks for names of the cluster that it has no record of; nobody, in a healthy cluster.
    """
    records = (f"{line}\n" for service in services for line in _records(service))
    return f"{_BASE}server=/{DOMAIN}/{authority}\n{''.join(records)}"


def serve(node: Node, services: Sequence[Object], *, authority: str = "") -> None:
    """Give the node's DNS pod, which need not run yet, its :func:`configuration`."""
    node.write(_CONFIG, configuration(services, authority))


def restart(node: Node, pod: PodFacts) -> None:
    """Let the pod's dnsmasq read its configuration again; status 1 means that it is between two lives already."""
    node.run(["pkill", "--parent", str(pod.container_pid), "dnsmasq"], check=False)


def _records(service: Object) -> Iterator[str]:
    name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.{DOMAIN}"
    addresses = service["spec"].get("clusterIPs")
    if not addresses or addresses == ["None"]:
        return
    yield f"host-record={','.join((name, *addresses))}"
    for port in service["spec"]["ports"]:
        yield f"srv-host=_{port['name']}._{port['protocol'].lower()}.{name},{name},{port['port']}"
