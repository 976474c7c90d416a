"""A Kubernetes-like cluster of real parts on one machine; everything of it ends with the process that started it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from deploy.lab import cgroups, controlplane, dns, helper, images, machine, manifests, packages, proxy, sshd, upstream, workload
from deploy.lab.containerd import Containerd
from deploy.lab.fabric import Fabric
from deploy.lab.forward import Forward
from deploy.lab.node import Node, Site
from deploy.lab.objects import Object, Objects
from deploy.lab.packages import Say, Tools
from deploy.lab.plan import CLUSTER, NODES, NodePlan
from deploy.lab.reaper import Reaper
from deploy.lab.runtime import PodFacts, PodSpec, Runtime
from deploy.lab.together import together


class _Closable(Protocol):
    def close(self) -> None: ...


_Part = TypeVar("_Part", bound=_Closable)


class Lab:
    """The cluster. Its attributes are there once it is up.

    ``nodes`` and ``runtimes`` by node name; ``pods`` by ``namespace/name``, with what the runtime says of them;
    ``objects`` is what the Kubernetes API serves. Whoever edits objects calls :meth:`apply` for the nodes to follow.
    """

    fabric: Fabric
    folder: Path
    ssh_config: Path

    def __init__(self, say: Say = lambda _: None) -> None:
        """``say`` gets a line for each part that is there."""
        self.nodes: dict[str, Node] = {}
        self.runtimes: dict[str, Runtime] = {}
        self.pods: dict[str, PodFacts] = {}
        self.objects = Objects()
        self._say = say
        self._parts = ExitStack()

    def up(self) -> None:
        """Start everything. Raises :class:`~deploy.lab.errors.LabError`, with nothing left behind, if a part fails."""
        machine.require()
        tools = packages.prepare(self._say)
        with self._parts:
            site = self._site(tools)
            self._start_nodes(site)
            together([partial(self._start_pods, tools), partial(self._open_ssh, tools)])
            self._publish()
            self._parts = self._parts.pop_all()

    def down(self) -> None:
        """End everything; nothing of it is left when this returns."""
        self._parts.close()

    def apply(self) -> None:
        """Do what controllers, kube-proxy and DNS do after a change of the objects: endpoints, rules, records."""
        controlplane.publish_slices(self.objects)
        services, _ = self.objects.list("services")
        for plan in NODES:
            proxy.sync(self.nodes[plan.name], plan, controlplane.for_proxy(self.objects))
            dns.serve(self.nodes[plan.name], services)
        for pod in self.pods.values():
            if pod.spec.image == images.DNS:
                dns.restart(self.nodes[pod.node], pod)

    def settings(self) -> Mapping[str, str]:
        """The environment with which bot and worker use this cluster."""
        return {"NETCHECK_CLUSTER": CLUSTER, "NETCHECK_SSH_CONFIG": str(self.ssh_config)}

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.down()

    def _opened(self, part: _Part) -> _Part:
        self._parts.callback(part.close)
        return part

    def _site(self, tools: Tools) -> Site:
        reaper = self._opened(Reaper())
        self.folder = Path(tempfile.mkdtemp(prefix="ncl-"))  # short: paths of unix sockets end at 108 characters
        reaper.folder(self.folder)
        return Site(self.folder, tools, reaper, cgroups.usual(cgroups.on_this_machine()))

    def _start_nodes(self, site: Site) -> None:
        together([partial(self._start_fabric, site), *(partial(self._start_node, plan, site) for plan in NODES)])
        for plan in NODES:
            self.fabric.plug(self.nodes[plan.name], plan)
            self._say(f"node {plan.name} at {plan.address}, {plan.address6} (pods {plan.pod_cidr}, {plan.pod_cidr6})")

    def _start_fabric(self, site: Site) -> None:
        self.fabric = self._opened(Fabric(site))
        upstream.start(self.fabric)

    def _start_node(self, plan: NodePlan, site: Site) -> None:
        self.nodes[plan.name] = self._opened(Node(plan.name, site))

    def _start_pods(self, tools: Tools) -> None:
        archives = images.archives(tools)
        pods = workload.pods()
        together(partial(self._start_pods_of, plan, archives, pods[plan]) for plan in NODES)

    def _start_pods_of(self, plan: NodePlan, archives: tuple[Path, ...], pods: tuple[PodSpec, ...]) -> None:
        node = self.nodes[plan.name]
        proxy.prepare(node, plan)
        dns.serve(node, list(workload.services()))
        runtime = self.runtimes[plan.name] = Containerd(node, plan)
        for archive in archives:
            runtime.load(archive)
        for pod in pods:
            self._start_pod(runtime, pod)

    def _start_pod(self, runtime: Runtime, pod: PodSpec) -> None:
        facts = runtime.run(pod)
        self.pods[f"{pod.namespace}/{pod.name}"] = facts
        self._say(f"pod {pod.namespace}/{pod.name} on {facts.node}: {', '.join(facts.ips) or 'hostNetwork'}")

    def _publish(self) -> None:
        nodes = [self._node_object(plan) for plan in NODES]
        controlplane.publish(self.objects, nodes, self.pods.values())
        wanted = controlplane.for_proxy(self.objects)
        together(partial(proxy.sync, self.nodes[plan.name], plan, wanted) for plan in NODES)
        for service in wanted.services:
            name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            self._say(f"service {name}: {', '.join(service['spec']['clusterIPs'])}")

    def _node_object(self, plan: NodePlan) -> Object:
        machine_id = self.nodes[plan.name].path("/etc/machine-id").read_text().strip()
        return manifests.node(plan, machine_id, self.runtimes[plan.name].version())

    def _open_ssh(self, tools: Tools) -> None:
        built = helper.build(tools, self.folder / "helper")
        access = sshd.Access.create(self.folder / "ssh")
        ports = {plan.name: self._opened(Forward(self.fabric.pid, plan.address, 22)).port for plan in NODES}
        together(partial(self._open_node, node, access, built, ports[name]) for name, node in self.nodes.items())
        self.ssh_config = access.write_config(ports)
        self._say(f"ssh -F {self.ssh_config} {NODES[0].name}")

    def _open_node(self, node: Node, access: sshd.Access, built: Path, port: int) -> None:
        helper.install(node, built)
        sshd.start(node, access, port)
