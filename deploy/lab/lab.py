"""A Kubernetes-like cluster of real parts on one machine; everything of it ends with the process that started it."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from deploy.lab import approver, cgroups, controlplane, dns, images, machine, packages, proxy, runtimes, sshd, upstream, workload
from deploy.lab.errors import LabError
from deploy.lab.fabric import Fabric
from deploy.lab.forward import Forward, Place
from deploy.lab.kubeapi import KubeApi, Store
from deploy.lab.kubelet import Kubelet
from deploy.lab.manifests import Object
from deploy.lab.node import Node, Site
from deploy.lab.packages import Say, Tools
from deploy.lab.parts import Parts
from deploy.lab.plan import API_PORT, CLUSTER, GATEWAY, NODES, NodePlan
from deploy.lab.reaper import Reaper
from deploy.lab.runtime import PodFacts, PodSpec, Runtime
from deploy.lab.slack import SlackStandIn
from deploy.lab.together import together


class Lab:
    """The cluster. Its attributes are there once it is up.

    ``nodes`` and ``runtimes`` by node name; ``pods`` by ``namespace/name``, with what the runtime says of them;
    ``store`` holds what the Kubernetes ``api`` serves; whoever changes objects calls :meth:`apply` for the nodes to follow.
    ``slack`` is a workspace in which the bot is awaited.
    """

    folder: Path
    fabric: Fabric
    api: KubeApi
    slack: SlackStandIn
    ssh_config: Path

    def __init__(
        self, say: Say = lambda _: None, plans: Sequence[NodePlan] = NODES, version: cgroups.Version | None = None
    ) -> None:
        """``say`` gets a line for each part that is there; ``plans`` are the nodes; ``version``: None is the machine's."""
        self.plans = plans
        self._version = version
        self.nodes: dict[str, Node] = {}
        self.runtimes: dict[str, Runtime] = {}
        self.pods: dict[str, PodFacts] = {}
        self.store = Store()
        self._say = say
        self._parts = Parts()

    def up(self) -> None:
        """Start everything. Raises :class:`~deploy.lab.errors.LabError`, with nothing left behind, if a part fails."""
        machine.require()
        tools = self._tools = packages.prepare(self._say)
        try:
            site = self._site(tools)
            self._start_nodes(site)
            rest = (partial(self._start_cluster, tools), partial(self._open_ssh, site), self._start_api, self._start_slack)
            together(rest)
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End everything; nothing of it is left when this returns."""
        self._parts.close()

    def apply(self) -> None:
        """Do what controllers, kube-proxy and DNS do after a change of the objects: endpoints, rules, records."""
        controlplane.publish_slices(self.store)
        wanted = controlplane.for_proxy(self.store)
        for plan in self.plans:
            proxy.sync(self.nodes[plan.name], plan, wanted)
            dns.serve(self.nodes[plan.name], wanted.services)
        for pod in self.pods.values():
            if pod.spec.image == images.DNS:
                dns.restart(self.nodes[pod.node], pod)

    def find_pods(self, prefix: str) -> Sequence[PodFacts]:
        """The pods whose name begins so, the first node's first."""
        order = [plan.name for plan in self.plans]
        found = (facts for facts in self.pods.values() if facts.spec.name.startswith(prefix))
        return sorted(found, key=lambda facts: (order.index(facts.node), facts.spec.name))

    def find_pod(self, prefix: str) -> PodFacts:
        """The first of :meth:`find_pods`. Raises :class:`~deploy.lab.errors.LabError` where there is none."""
        for facts in self.find_pods(prefix):
            return facts
        raise LabError(f"the lab has no pod {prefix}…; it has {', '.join(self.pods)}")

    def api_object(self, pod: PodFacts) -> Object:
        """The pod as the API has it. Raises :class:`~deploy.lab.errors.LabError` where it was deleted there."""
        found = self.store.get("Pod", pod.spec.name, pod.spec.namespace)
        if found is None:
            raise LabError(f"the lab's API has no pod {pod.spec.namespace}/{pod.spec.name}")
        return found

    def settings(self) -> Mapping[str, str]:
        """The environment with which bot and worker use this cluster."""
        return {
            "NETCHECK_CLUSTER": CLUSTER,
            "NETCHECK_DATA_DIR": str(self.folder / "data"),
            "NETCHECK_KUBECONFIG": str(self.api.kubeconfig),
            "NETCHECK_SSH_CONFIG": str(self.ssh_config),
            **approver.settings(self.folder, self._tools),
            **self.slack.settings(),
        }

    def describe(self) -> Mapping[str, Any]:
        """What there is and how to reach it, for people and other processes; JSON's types only."""
        return {
            "folder": str(self.folder),
            "nodes": {plan.name: f"{plan.address}, {plan.address6}" for plan in self.plans},
            "pods": {name: _place(facts) for name, facts in self.pods.items()},
            "services": dict(controlplane.addresses(self.store)),
            "settings": dict(self.settings()),
            "enter": {name: node.argv([]) for name, node in self.nodes.items()},
        }

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.down()

    def _site(self, tools: Tools) -> Site:
        reaper = self._parts.opened(Reaper())
        # A short name: paths of unix sockets end at 108 characters.
        self.folder = Path(tempfile.gettempdir()) / f"ncl-{secrets.token_hex(4)}"
        reaper.folder(self.folder)
        self.folder.mkdir(mode=0o700)
        (self.folder / "data").mkdir()
        return Site(self.folder, tools, reaper, self._version or cgroups.usual(cgroups.on_this_machine()))

    def _start_nodes(self, site: Site) -> None:
        together([partial(self._start_fabric, site), *(partial(self._start_node, plan, site) for plan in self.plans)])
        for plan in self.plans:
            self.fabric.plug(self.nodes[plan.name], plan, [other for other in self.plans if other != plan])
            self._say(f"node {plan.name}: {plan.address}, {plan.address6}")

    def _start_fabric(self, site: Site) -> None:
        self.fabric = self._parts.opened(Fabric(site))
        upstream.start(self.fabric)

    def _start_node(self, plan: NodePlan, site: Site) -> None:
        tools = runtimes.tools(plan, site.tools, self._say)
        self.nodes[plan.name] = self._parts.opened(Node(plan.name, replace(site, tools=tools)))

    def _start_cluster(self, tools: Tools) -> None:
        archives = images.archives(tools)
        placed = workload.pods(self.plans)
        together(partial(self._run_pods, plan, archives, placed[plan]) for plan in self.plans)
        controlplane.publish(self.store, self.plans, self.pods.values())
        wanted = controlplane.for_proxy(self.store)
        together(partial(proxy.sync, self.nodes[plan.name], plan, wanted) for plan in self.plans)
        for name, addresses in controlplane.addresses(self.store):
            self._say(f"service {name}: {addresses}")

    def _run_pods(self, plan: NodePlan, archives: Sequence[Path], pods: Sequence[PodSpec]) -> None:
        kubelet = Kubelet(self.nodes[plan.name], plan, archives)
        self.runtimes[plan.name] = self._parts.opened(kubelet.runtime)
        self.store.put(kubelet.registration())
        for facts in kubelet.run(pods):
            name = f"{facts.spec.namespace}/{facts.spec.name}"
            self.pods[name] = facts
            self._say(f"pod {name}: {_place(facts)}")

    def _open_ssh(self, site: Site) -> None:
        nodes = {plan: self.nodes[plan.name] for plan in self.plans}
        self.ssh_config = sshd.open_all(nodes, self.fabric, site, self._parts)
        self._say(f"ssh: ssh -F {self.ssh_config} {self.plans[0].name}")

    def _start_api(self) -> None:
        folder = self.folder / "api"
        folder.mkdir(mode=0o700)
        self.api = KubeApi(self.store, folder, cluster=CLUSTER)
        self.api.start()
        self._parts.opened(self.api)
        inside = Place(self.fabric.pid, GATEWAY, API_PORT)
        self._parts.opened(Forward(inside, Place(None, "127.0.0.1", urlsplit(self.api.url).port or 0)))
        self._say(f"Kubernetes API: {self.api.url}, kubeconfig {self.api.kubeconfig}")

    def _start_slack(self) -> None:
        self.slack = self._parts.opened(SlackStandIn(self.folder / "slack", say=self._say))
        self._say(f"Slack: {self.slack.page_url}")


def _place(facts: PodFacts) -> str:
    return f"{', '.join(facts.ips) or 'hostNetwork'} on {facts.node}"
