"""What the `pod` check saw: None where nothing was asked, `CannotLook` where looking failed."""

from __future__ import annotations

from dataclasses import dataclass, field

from node_helper.facts import devices, dns, interfaces, raw, redirects, resolv_conf, route_to, routes, sandbox, sockets
from node_helper.protocol import CannotLook
from workers.check import View
from workers.checks import _pod_life
from workers.locate import Located
from workers.objects import Pod


@dataclass(frozen=True)
class Seen:
    """`dns` is keyed by nameserver, `node_routes` by the pod's address, `raw` by the view's name.

    `devices` are the node's, asked where it shows no trace of the pod: they tell whether it is that node. `redirects` are asked
    where a service sends to a port on which nothing listens.
    """

    located: Located
    sandbox: sandbox.Sandbox | CannotLook | None = None
    interfaces: interfaces.Interfaces | CannotLook | None = None
    routes: routes.Routes | CannotLook | None = None
    sockets: sockets.Sockets | CannotLook | None = None
    resolv_conf: resolv_conf.ResolvConf | CannotLook | None = None
    node_routes: dict[str, route_to.RouteTo | CannotLook] = field(default_factory=dict)
    dns: dict[str, dns.DnsAnswer | CannotLook] = field(default_factory=dict)
    dns_name: str = ""
    raw: dict[str, raw.Text | CannotLook] = field(default_factory=dict)
    devices: devices.Devices | CannotLook | None = None
    redirects: redirects.Redirects | CannotLook | None = None

    @property
    def pod(self) -> Pod:
        """The pod that was looked at."""
        return self.located.pod

    @property
    def cluster_first(self) -> bool:
        """Whether the pod asks the cluster's own DNS: its search path names the cluster's domain."""
        conf = self.resolv_conf
        return isinstance(conf, resolv_conf.ResolvConf) and any(s.startswith("svc.") for s in conf.search)

    def can_ask(self, view: View) -> bool:
        """Whether there is a node that can hold the pod: assigned, still in the cluster, and the pod not finished."""
        return bool(self.pod.node) and not self.finished and not self.node_deleted(view)

    @property
    def finished(self) -> bool:
        """A pod that has run to its end keeps no network namespace."""
        return self.pod.phase in ("Succeeded", "Failed")

    def node_deleted(self, view: View) -> bool:
        """Whether the pod's node is gone from the cluster."""
        return _pod_life.node_deleted(view, self.pod)
