"""Kubernetes objects for tests of service rules: the recorded cluster, and small ones written for one question."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.lab.kubeproxy.model import Objects

Api = Mapping[str, Any]

DATA = Path(__file__).parent / "data" / "kube-proxy-1.36"
CLUSTER_CIDR = "10.244.0.0/14,fd00:244::/48"
SERVICE_CIDR = "10.96.0.0/12,fd00:96::/112"


def recorded() -> Objects:
    """The cluster that the recorded kube-proxies wrote their rules for."""
    services, slices, nodes = (_items(name) for name in ("services", "endpointslices", "nodes"))
    return Objects(services, slices, nodes)


def recorded_text(name: str) -> str:
    """What the tools printed on a recorded node."""
    return (DATA / name).read_text(encoding="utf-8")


def in_order(objects: Objects, ports: Iterable[tuple[str, str, str]]) -> Objects:
    """The same objects with one service object a port, in this order of (namespace, service, port name)."""
    rank = {port: number for number, port in enumerate(ports)}
    parts = [(service, port) for service in objects.services for port in service["spec"]["ports"]]
    parts.sort(key=lambda part: rank.get(_identity(*part), len(rank)))
    services = [{**service, "spec": {**service["spec"], "ports": [port]}} for service, port in parts]
    return Objects(services, objects.endpoint_slices, objects.nodes)


def iptables_order(recording: str) -> list[tuple[str, str, str]]:
    """The order in which a recorded kube-proxy took its service ports, by the rules that catch their cluster IPs."""
    lines = re.findall(r'^-A KUBE-SERVICES .*"(\S+)/(\S+?):(\S+) (?:cluster IP|has no endpoints)"', recording, re.MULTILINE)
    return [(namespace, service, port) for namespace, service, port in lines]


def nftables_order(recording: str) -> list[tuple[str, str, str]]:
    """The same for nftables, by the chains in the order of their creation."""
    chains = re.findall(r"^\tchain \w+-\w{8}-([^/]+)/([^/]+)/\w+/([^/ ]+?)(?:__\S+)? {", recording, re.MULTILINE)
    return list(dict.fromkeys((namespace, service, port) for namespace, service, port in chains))


def service(name: str = "web", **spec: object) -> dict[str, Any]:
    """A service in namespace shop, with one TCP port 80 and a cluster IP unless told otherwise."""
    status = spec.pop("status", {})
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
    defaults: dict[str, object] = {"type": "ClusterIP", "ports": [port], "clusterIP": "10.96.0.80"}
    chosen = {**defaults, **spec}
    return {
        "metadata": {"namespace": "shop", "name": name, "labels": {}},
        "spec": {"clusterIPs": [chosen["clusterIP"]], **chosen},
        "status": status,
    }


def endpoint(ip: str, node: str | None = None, **more: object) -> dict[str, Any]:
    """A ready endpoint, on a node if one is named."""
    conditions = {"ready": True, "serving": True, "terminating": False}
    return {"addresses": [ip], "conditions": conditions, **({"nodeName": node} if node else {}), **more}


def draining(ip: str, node: str | None = None) -> dict[str, Any]:
    """An endpoint on its way out that still serves."""
    return {**endpoint(ip, node), "conditions": {"ready": False, "serving": True, "terminating": True}}


def endpoint_slice(
    of: str, endpoints: Sequence[Api], *, port: int = 8080, port_name: str = "http", protocol: str = "TCP"
) -> dict[str, Any]:
    """A slice of the named service; its family is that of its first endpoint."""
    family = "IPv6" if endpoints and ":" in endpoints[0]["addresses"][0] else "IPv4"
    return {
        "metadata": {"namespace": "shop", "name": f"{of}-{family.lower()}", "labels": {"kubernetes.io/service-name": of}},
        "addressType": family,
        "ports": [{"name": port_name, "port": port, "protocol": protocol}],
        "endpoints": endpoints,
    }


def node(name: str, *addresses: str, zone: str = "") -> dict[str, Any]:
    """A node with these internal addresses."""
    listed = [{"type": "InternalIP", "address": address} for address in addresses]
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    return {"metadata": {"name": name, "labels": labels}, "status": {"addresses": listed}}


def every_kind() -> Objects:
    """A dual-stack cluster with a service of each kind of which kube-proxy writes other rules; none share an address and port."""
    nodes = [node("node1", "172.31.0.1", "fd00:31::1"), node("node2", "172.31.0.2", "fd00:31::2")]
    services: list[Api] = []
    slices: list[Api] = []
    for number, (name, spec) in enumerate(_KINDS.items()):
        ips = [f"10.96.1.{number + 1}", f"fd00:96::{number + 1:x}"]
        services.append(service(name, clusterIP=ips[0], clusterIPs=ips, **spec))
        slices += _slices(name, services[-1])
    return Objects(services, slices, nodes)


_MAYBE_EVERYWHERE = {
    "externalIPs": ["203.0.113.5", "2001:db8:5::5"],
    "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.5"}, {"ip": "2001:db8:5::6", "ipMode": "VIP"}]}},
}
_SOURCES = ["192.0.2.0/24", "172.31.0.0/16", "2001:db8:9::/48", "fd00:31::/64"]
_STICKY = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5430}}}
_KINDS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "unnamed": {"ports": [{"port": 80, "protocol": "TCP"}]},
    "datagrams": {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]},
    "streams": {"ports": [{"name": "sig", "port": 2905, "protocol": "SCTP"}]},
    "nobody": {"type": "NodePort", "ports": [{"name": "http", "port": 84, "nodePort": 30001}], **_MAYBE_EVERYWHERE},
    "sticky": {"type": "NodePort", "ports": [{"name": "http", "port": 80, "nodePort": 30002}], **_STICKY},
    "at-home": {"internalTrafficPolicy": "Local"},
    "far-from-home": {"internalTrafficPolicy": "Local"},
    "balanced": {
        "type": "LoadBalancer",
        "ports": [{"name": "http", "port": 80, "nodePort": 30003}],
        "loadBalancerSourceRanges": _SOURCES,
        **_MAYBE_EVERYWHERE,
    },
    "one-source": {
        "type": "LoadBalancer",
        "ports": [{"name": "http", "port": 81, "nodePort": 30004}],
        "loadBalancerSourceRanges": [" 192.0.2.0/24", "2001:db8:9::/48"],
        **_MAYBE_EVERYWHERE,
    },
    "local": {
        "type": "LoadBalancer",
        "ports": [{"name": "http", "port": 82, "nodePort": 30005}],
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 30105,
        **_MAYBE_EVERYWHERE,
        **_STICKY,
    },
    "local-elsewhere": {
        "type": "LoadBalancer",
        "ports": [{"name": "http", "port": 83, "nodePort": 30006}],
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 30106,
        **_MAYBE_EVERYWHERE,
    },
}


def _slices(name: str, of: Api) -> Iterator[dict[str, Any]]:
    port = of["spec"]["ports"][0]
    if name == "nobody":
        return
    place = "node2" if "elsewhere" in name or "far" in name else "node1"
    for prefix in ("10.244.1.", "fd00:244:0:1::"):
        ready = [endpoint(f"{prefix}{number}", place if number % 2 else "node2") for number in range(1, 8)]
        label = {"port_name": port.get("name", ""), "protocol": port.get("protocol", "TCP")}
        yield endpoint_slice(name, ready, port=8080, **label)


def _items(name: str) -> list[Api]:
    items: list[Api] = json.loads(recorded_text(f"{name}.json"))["items"]
    return items


def _identity(of: Api, port: Api) -> tuple[str, str, str]:
    return of["metadata"]["namespace"], of["metadata"]["name"], port.get("name", "")
