"""Kubernetes objects as frozen records, and the `Cluster` view in which checks find them. Pure: `workers.cluster` fills it.

Shapes follow the Kubernetes API (core/v1, discovery.k8s.io/v1, apps/v1); only fields that a check reads are here.
Times are RFC 3339 strings as the API gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.lookups import Lookups

if TYPE_CHECKING:
    from collections.abc import Mapping

Labels = dict[str, str]
Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class Container:
    """A container's status: `state` is running, waiting, terminated or unknown, `reason` as in CrashLoopBackOff.

    `id` is the CRI id with its scheme, as in "containerd://0123...".
    """

    name: str
    ready: bool
    restarts: int
    state: str
    reason: str = ""
    message: str = ""
    id: str = ""
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Owner:
    """The controller that owns an object."""

    kind: str
    name: str


@dataclass(frozen=True)
class Pod:
    """One pod; `ips` in the API's order, empty while it has none; `deleting` since its deletionTimestamp is set."""

    namespace: str
    name: str
    uid: str
    node: str
    phase: str
    ips: tuple[str, ...]
    host_ip: str
    created: str
    labels: Labels
    host_network: bool
    containers: tuple[Container, ...]
    owner: Owner | None = None
    ready: bool = False
    deleting: bool = False
    reason: str = ""
    message: str = ""
    config_hash: str | None = None
    runtime_class: str | None = None
    dns_policy: str = "ClusterFirst"

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Node:
    """One node; `runtime` is nodeInfo.containerRuntimeVersion, as in "containerd://1.6.20".

    `troubles` are the conditions that say what is wrong while they are true: NetworkUnavailable, MemoryPressure and the like.
    `kubelet` is its version, as in "v1.36.2".
    """

    name: str
    ready: bool
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    labels: Labels
    runtime: str
    kernel: str = ""
    reason: str = ""
    troubles: tuple[str, ...] = ()
    kubelet: str = ""


@dataclass(frozen=True)
class ServicePort:
    """A port of a service; `target` is the number or name as written."""

    name: str
    protocol: str
    port: int
    target: str
    node_port: int | None = None


@dataclass(frozen=True)
class Service:
    """One service; headless ones have the cluster IP "None" and therefore no `cluster_ips` here.

    For `affinity_s` seconds a client stays with its endpoint, where the affinity is ClientIP. Nodes have no rules for a load
    balancer's `bypassed_ips` (ipMode Proxy). `other_proxy` is who else than kube-proxy handles the service, "" where it does.
    """

    namespace: str
    name: str
    type: str
    cluster_ips: tuple[str, ...]
    ports: tuple[ServicePort, ...]
    selector: Labels
    created: str = ""
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    bypassed_ips: tuple[str, ...] = ()
    other_proxy: str = ""
    external_name: str = ""
    external_policy: str = "Cluster"
    internal_policy: str = "Cluster"
    affinity: str = "None"
    affinity_s: int = 10800
    publish_not_ready: bool = False
    health_check_node_port: int | None = None

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def ips(self) -> tuple[str, ...]:
        """Every address that is the service's, whoever has rules for it."""
        return (*self.cluster_ips, *self.external_ips, *self.load_balancer_ips, *self.bypassed_ips)

    @property
    def headless(self) -> bool:
        """Whether it has neither a cluster IP nor an external name."""
        return not self.cluster_ips and self.type != "ExternalName"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of a slice; conditions follow the API's defaults (ready and serving unless said otherwise).

    The hints name the zones and nodes whose traffic it is meant for (KEP-2433, KEP-4444); none where there are none.
    """

    addresses: tuple[str, ...]
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    node: str = ""
    pod: str = ""
    hinted_zones: tuple[str, ...] = ()
    hinted_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class EndpointPort:
    """A port of a slice; `port` is None where the API has null (all ports)."""

    name: str
    protocol: str
    port: int | None


@dataclass(frozen=True)
class EndpointSlice:
    """One slice of the endpoints of `service`; a missing named target port gives ready addresses without ports."""

    namespace: str
    name: str
    service: str
    family: str
    ports: tuple[EndpointPort, ...]
    endpoints: tuple[Endpoint, ...]

    @property
    def key(self) -> Key:
        """Namespace and name of the slice."""
        return self.namespace, self.name


@dataclass(frozen=True)
class ReplicaSet:
    """A ReplicaSet, kept for the Deployment that owns it."""

    namespace: str
    name: str
    owner: Owner | None

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True)
class ProxyConfig:
    """What kube-proxy's ConfigMap says of conntrack (KubeProxyConntrackConfiguration); None where it leaves a value out.

    `key` is the entry of the ConfigMap that holds the configuration. `unread` says why nothing is known of it, "" where it is.
    """

    key: str
    max_per_core: int | None = None
    minimum: int | None = None
    unread: str = ""


@dataclass(frozen=True)
class Staleness:
    """A kind that is not current: for how many seconds before the snapshot, why, and what to do about it.

    `kind` is the name of the field in `Cluster`. `never` where it could not be read at all; else the last known is there,
    and where that is 0 s old it is not whole.
    """

    kind: str
    since_s: float
    reason: str
    never: bool = False
    fix: str = ""


@dataclass(frozen=True)
class Cluster(Lookups):
    """A moment of the cluster. `behind` names the kinds that are not current; a check that needs one says so.

    `proxy_config` is None where there is no ConfigMap kube-system/kube-proxy with a configuration of kube-proxy in it.
    """

    name: str
    as_of: str
    pods: Mapping[Key, Pod] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    services: Mapping[Key, Service] = field(default_factory=dict)
    slices: Mapping[Key, EndpointSlice] = field(default_factory=dict)
    replica_sets: Mapping[Key, ReplicaSet] = field(default_factory=dict)
    proxy_config: ProxyConfig | None = None
    behind: tuple[Staleness, ...] = ()
