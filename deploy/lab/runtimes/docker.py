"""docker in a node, driven as cri-dockerd drives it: a sandbox container without network, CNI, then the pod's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.lab import cni, docker_messages, runc
from deploy.lab.docker_api import Docker
from deploy.lab.errors import LabError
from deploy.lab.node import Node
from deploy.lab.packages import Packages
from deploy.lab.plan import NodePlan
from deploy.lab.runtime import PodFacts, PodSpec, Runtime

NAME = "docker"
PACKAGES = Packages("docker", ("docker.io",), ("/usr/sbin/dockerd", "/usr/bin/docker"))
SOCKET = "/var/run/docker.sock"
_DAEMON = ("dockerd", "--storage-driver", "overlay2", "--bridge", "none", "--iptables=false", "--ip-forward=false")


def start(node: Node, plan: NodePlan) -> Runtime:
    """Start the daemon and wait until it answers."""
    return _Docker(node, plan)


class _Docker:
    """The node's docker, from its start on; it ends with the node."""

    name = NAME

    def __init__(self, node: Node, plan: NodePlan) -> None:
        self._node, self._plan = node, plan
        self._docker = Docker(node.path("/run/docker.sock"))
        runtime = ["--add-runtime", f"lab={runc.fitting(node)}", "--default-runtime", "lab"]
        driver = ["--exec-opt", f"native.cgroupdriver={plan.driver.value}"]
        node.daemon([*_DAEMON, *runtime, *driver], "dockerd.log", self._is_ready)

    def load(self, archive: Path) -> None:
        """Import the images of a docker archive."""
        self._node.run(["docker", "load", "--input", f"/opt/lab/{archive.name}"])

    def run(self, pod: PodSpec) -> PodFacts:
        """Start the pod's sandbox, attach its network, start its container."""
        sandbox_id = self._docker.create(docker_messages.name(pod), docker_messages.sandbox(pod, self._plan.driver))
        sandbox = self._docker.start(sandbox_id)
        self._write_resolv_conf(pod, sandbox)
        attached = cni.Attached((), "")
        if not pod.host_network:
            attached = cni.attach(self._node, self._plan, sandbox_id, f"/proc/{sandbox['State']['Pid']}/ns/net")
        created = self._docker.create(
            docker_messages.name(pod, pod.container), docker_messages.container(pod, sandbox_id, self._plan.driver)
        )
        return self._facts(pod, sandbox, attached, self._docker.start(created))

    def exec(self, pod: PodFacts, argv: Sequence[str], seconds: int = 10) -> tuple[int, str]:
        """Run ``argv`` in the pod's container: its exit status and what it wrote."""
        done = self._node.run(["timeout", str(seconds), "docker", "exec", pod.container_id, *argv], check=False)
        return done.returncode, done.stdout + done.stderr

    def stop(self, pod: PodFacts) -> None:
        """End the pod; its sandbox stays listed."""
        for container in (pod.container_id, pod.sandbox_id):
            self._docker.call("POST", f"/containers/{container}/kill")
        if not pod.spec.host_network:
            cni.detach(self._node, self._plan, pod.sandbox_id)

    def remove(self, pod: PodFacts) -> None:
        """Stop the pod and forget it."""
        if not pod.spec.host_network:
            cni.detach(self._node, self._plan, pod.sandbox_id, f"/proc/{pod.pid}/ns/net")
        for container in (pod.container_id, pod.sandbox_id):
            self._docker.remove(container)

    def close(self) -> None:
        """Let go of the runtime; it ends with its node."""

    def version(self) -> str:
        """``docker://20.10.24``, as the node's status has it."""
        return f"docker://{self._docker.call('GET', '/version')['Version']}"

    def _is_ready(self) -> bool:
        try:
            self._docker.call("GET", "/version")
        except LabError:
            return False
        return True

    def _write_resolv_conf(self, pod: PodSpec, sandbox: Any) -> None:
        """In place, because the containers have the file itself mounted; the node's own where the pod names no servers."""
        text = docker_messages.resolv_conf(pod) if pod.nameservers else self._node.path("/etc/resolv.conf").read_text()
        self._node.path(sandbox["ResolvConfPath"]).write_text(text)

    def _facts(self, pod: PodSpec, sandbox: Any, attached: cni.Attached, container: Any) -> PodFacts:
        return PodFacts(
            spec=pod,
            node=self._node.name,
            runtime=self.name,
            sandbox_id=sandbox["Id"],
            container_id=container["Id"],
            pid=sandbox["State"]["Pid"],
            container_pid=container["State"]["Pid"],
            ips=attached.ips,
            netns="" if pod.host_network else sandbox["NetworkSettings"]["SandboxKey"],
            host_veth=attached.host_veth,
            started_at=_nanoseconds(container["State"]["StartedAt"]),
        )


def _nanoseconds(stamp: str) -> int:
    """Since the epoch, of docker's ``2026-01-01T00:00:00.123456789Z``."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))
