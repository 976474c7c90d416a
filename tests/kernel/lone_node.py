"""One node of the lab with a runtime and the helper, without cluster, fabric or sshd: for what one kernel shows by itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import cgroups, helper, images, packages, runtimes
from deploy.lab.node import Node, Site
from deploy.lab.plan import NodePlan, Proxy
from deploy.lab.reaper import Reaper
from deploy.lab.runtime import PodFacts, PodSpec, Runtime
from node_helper.facts import sandbox
from tests.node_helper_asked import Asked, asked


@dataclass(frozen=True)
class LoneNode:
    """A node whose helper answers."""

    node: Node
    runtime: Runtime
    helper: Asked

    def run(self, pod: PodSpec) -> PodFacts:
        return self.runtime.run(pod)

    def find(self, pod: PodSpec) -> sandbox.Sandbox:
        return self.helper.ask(sandbox.FACT, sandbox.Query(pod.uid, pod.name, pod.namespace, host_network=pod.host_network))


@contextmanager
def lone_node(plan: NodePlan, folder: Path, version: cgroups.Version | None = None) -> Iterator[LoneNode]:
    """`folder` gets the node's files; a short one, for paths of unix sockets."""
    with ExitStack() as stack:
        reaper = Reaper()
        stack.callback(reaper.close)
        tools = packages.prepare(print)
        site = Site(folder, runtimes.tools(plan, tools, print), reaper, version or cgroups.usual(cgroups.on_this_machine()))
        node = stack.enter_context(Node(plan.name, site))
        helper.install(node, helper.build(tools, folder / "helper"))
        runtime = runtimes.start(node, plan)
        stack.callback(runtime.close)
        for archive in images.archives(tools):
            runtime.load(archive)
        yield LoneNode(node, runtime, stack.enter_context(asked(node)))


def plan(runtime: str, driver: cgroups.Driver = cgroups.Driver.CGROUPFS) -> NodePlan:
    """A node called after its runtime."""
    return NodePlan(f"node-{runtime}", 1, Proxy.IPTABLES, runtime, driver)


def pod(name: str = "hello-world-5b446dd74b-pxtzt", *, host_network: bool = False) -> PodSpec:
    """A new pod that does nothing."""
    return PodSpec(name, "default", str(uuid.uuid4()), "shell", images.BUSYBOX, ("/pause",), host_network=host_network)
