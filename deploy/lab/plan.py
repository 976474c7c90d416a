"""The lab's fixed facts: which nodes there are, and who has which address. All of it exists only inside namespaces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from deploy.lab.cgroups import Driver

CLUSTER = "lab"
DOMAIN = "cluster.local"
POD_CIDRS = "10.244.0.0/16,fd00:10:244::/48"
SERVICE_CIDRS = "10.96.0.0/12,fd00:10:96::/112"
DNS_ADDRESS = "10.96.0.10"
DNS_ADDRESS6 = "fd00:10:96::a"
API_PORT = 6443  # of the gateway: where pods find the API server
GATEWAY = "10.199.0.1"
GATEWAY6 = "fd00:10:199::1"


class Proxy(Enum):
    """kube-proxy's modes, by their names in its configuration."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"


@dataclass(frozen=True)
class NodePlan:
    """One node: ``number`` is its place in every address."""

    name: str
    number: int
    proxy: Proxy
    runtime: str = "containerd"
    driver: Driver = Driver.CGROUPFS

    @property
    def address(self) -> str:
        """Its InternalIP."""
        return f"10.199.0.{10 + self.number}"

    @property
    def address6(self) -> str:
        """Its second InternalIP."""
        return f"fd00:10:199::{10 + self.number}"

    @property
    def pod_cidr(self) -> str:
        """Where its pods' IPv4 addresses come from."""
        return f"10.244.{self.number}.0/24"

    @property
    def pod_cidr6(self) -> str:
        """Where its pods' IPv6 addresses come from."""
        return f"fd00:10:244:{self.number}::/64"


NODES = (NodePlan("node-one", 1, Proxy.IPTABLES), NodePlan("node-two", 2, Proxy.NFTABLES))
WITH_DOCKER = (replace(NODES[0], runtime="docker"), NODES[1])
"""The same, and one of them with docker as its runtime."""
