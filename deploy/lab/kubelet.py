"""The kubelet's part on one node: a runtime, the images, and the pods that were placed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from deploy.lab import dns, manifests, proxy, runtimes, workload
from deploy.lab.manifests import Object
from deploy.lab.node import Node
from deploy.lab.plan import API_PORT, GATEWAY, NodePlan
from deploy.lab.runtime import PodFacts, PodSpec


class Kubelet:
    """One node's; ``runtime`` is ready from the start on."""

    def __init__(self, node: Node, plan: NodePlan, archives: Iterable[Path]) -> None:
        """Start the runtime and load the images."""
        self._node = node
        self._plan = plan
        proxy.prepare(node, plan)
        dns.serve(node, [*workload.services(), manifests.api_service(GATEWAY, API_PORT)[0]])
        self.runtime = runtimes.start(node, plan)
        for archive in archives:
            self.runtime.load(archive)

    def run(self, pods: Iterable[PodSpec]) -> Iterator[PodFacts]:
        """Start the pods one after the other, so that each has the same address in every lab."""
        for pod in pods:
            facts = self.runtime.run(pod)
            self._write_hosts(facts)
            yield facts

    def _write_hosts(self, pod: PodFacts) -> None:
        """The file that a kubelet keeps for a pod's /etc/hosts."""
        own = "".join(f"{ip}\t{pod.spec.name}\n" for ip in pod.ips)
        text = f"# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n{own}"
        self._node.write(f"/var/lib/kubelet/pods/{pod.spec.uid}/etc-hosts", text)

    def registration(self) -> Object:
        """The node as the kubelet reports it to the API."""
        machine_id = self._node.path("/etc/machine-id").read_text(encoding="ascii").strip()
        return manifests.node(self._plan, machine_id, self.runtime.version())
