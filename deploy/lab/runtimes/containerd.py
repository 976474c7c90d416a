"""containerd in a node, driven over CRI as the kubelet drives it (kubernetes/cri-api, ``runtime.v1``)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Else gRPC starts its threads anew in each fork of whoever has a lab, and they end it when it closes what it inherited.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import grpc
from cri_api.v1 import api_pb2 as cri
from cri_api.v1 import api_pb2_grpc as cri_grpc

from deploy.lab import cni, cri_messages, images, runc
from deploy.lab.cgroups import Driver
from deploy.lab.errors import LabError
from deploy.lab.node import Node
from deploy.lab.plan import NodePlan
from deploy.lab.runtime import PodFacts, PodSpec, Runtime

NAME = "containerd"
PACKAGES = None  # the lab's tools have it
_SECONDS = 20.0
_POLL_SECONDS = 0.02
_CONFIG = """version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  restrict_oom_score_adj = true  # else runc needs CAP_SYS_RESOURCE for the sandbox's -998
  disable_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
      SystemdCgroup = {systemd}
"""


@dataclass(frozen=True)
class Layout:
    """Where a distribution puts its containerd on a node."""

    socket: str
    state: str


_USUAL = Layout("/run/containerd/containerd.sock", "/run/containerd")


def start(node: Node, plan: NodePlan, layout: Layout = _USUAL) -> Runtime:
    """Write the configuration that a node has, start the daemon and wait until it and its network are ready."""
    return _Containerd(node, plan, layout)


class _Containerd:
    """The node's containerd, from its start on; it ends with the node."""

    name = NAME

    def __init__(self, node: Node, plan: NodePlan, layout: Layout) -> None:
        self._node, self._plan, self._layout = node, plan, layout
        systemd = "true" if plan.driver is Driver.SYSTEMD else "false"
        config = _CONFIG.format(sandbox_image=images.PAUSE, runc=runc.fitting(node), systemd=systemd)
        node.write("/etc/containerd/config.toml", config)
        node.write("/etc/cni/net.d/10-lab.conflist", json.dumps(cni.configuration(plan), indent=1))
        self._channel = grpc.insecure_channel(f"unix://{node.path(layout.socket)}", options=[("grpc.enable_http_proxy", 0)])
        self._runtime = cri_grpc.RuntimeServiceStub(self._channel)
        self._images = cri_grpc.ImageServiceStub(self._channel)
        node.daemon(["containerd", "--address", layout.socket, "--state", layout.state], "containerd.log", self._is_ready)

    def load(self, archive: Path) -> None:
        """Import the images of a docker archive and wait until CRI knows them."""
        self._node.run(
            ["ctr", "--address", self._layout.socket, "--namespace", "k8s.io", "images", "import", f"/opt/lab/{archive.name}"]
        )

    def run(self, pod: PodSpec) -> PodFacts:
        """Start the pod's sandbox and its container."""
        with _translated(pod.name):
            self._await_image(pod.image)
            sandbox = cri_messages.sandbox(pod, self._plan.driver)
            self._node.path(f"{sandbox.log_directory}/{pod.container}").mkdir(parents=True, exist_ok=True)
            request = cri.RunPodSandboxRequest(config=sandbox)
            sandbox_id = self._runtime.RunPodSandbox(request, timeout=_SECONDS).pod_sandbox_id
            created = cri.CreateContainerRequest(
                pod_sandbox_id=sandbox_id, config=cri_messages.container(pod), sandbox_config=sandbox
            )
            container_id = self._runtime.CreateContainer(created, timeout=_SECONDS).container_id
            self._runtime.StartContainer(cri.StartContainerRequest(container_id=container_id), timeout=_SECONDS)
            return self._facts(pod, sandbox_id, container_id)

    def exec(self, pod: PodFacts, argv: Sequence[str], seconds: int = 10) -> tuple[int, str]:
        """Run ``argv`` in the pod's container: its exit status and what it wrote."""
        request = cri.ExecSyncRequest(container_id=pod.container_id, cmd=list(argv), timeout=seconds)
        with _translated(pod.spec.name):
            answer = self._runtime.ExecSync(request, timeout=seconds + _SECONDS)
        return answer.exit_code, (answer.stdout + answer.stderr).decode(errors="replace")

    def stop(self, pod: PodFacts) -> None:
        """End the pod; its sandbox stays listed."""
        with _translated(pod.spec.name):
            self._runtime.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=pod.sandbox_id), timeout=_SECONDS)

    def remove(self, pod: PodFacts) -> None:
        """Stop the pod and forget it."""
        self.stop(pod)
        with _translated(pod.spec.name):
            self._runtime.RemovePodSandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=pod.sandbox_id), timeout=_SECONDS)

    def close(self) -> None:
        """Let go of the runtime; it ends with its node."""
        self._channel.close()

    def version(self) -> str:
        """``containerd://1.6.20``, as the node's status has it."""
        with _translated("version"):
            answer = self._runtime.Version(cri.VersionRequest(), timeout=_SECONDS)
        return f"{answer.runtime_name}://{answer.runtime_version}"

    def _is_ready(self) -> bool:
        if not self._node.path(self._layout.socket).exists():
            return False
        try:
            status = self._runtime.Status(cri.StatusRequest(), timeout=_SECONDS).status
        except grpc.RpcError:
            return False
        return all(condition.status for condition in status.conditions)

    def _await_image(self, tag: str) -> None:
        """CRI hears of an imported image by an event, a moment after the import."""
        wanted = cri.ImageStatusRequest(image=cri.ImageSpec(image=tag))
        deadline = time.monotonic() + _SECONDS
        while not self._images.ImageStatus(wanted, timeout=_SECONDS).image.id:
            if time.monotonic() > deadline:
                raise LabError(f"{self._node.name}: the image {tag} is not there")
            time.sleep(_POLL_SECONDS)

    def _facts(self, pod: PodSpec, sandbox_id: str, container_id: str) -> PodFacts:
        sandbox = self._runtime.PodSandboxStatus(
            cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id, verbose=True), timeout=_SECONDS
        )
        container = self._runtime.ContainerStatus(
            cri.ContainerStatusRequest(container_id=container_id, verbose=True), timeout=_SECONDS
        )
        info = json.loads(sandbox.info["info"])
        network = sandbox.status.network
        return PodFacts(
            spec=pod,
            node=self._node.name,
            runtime=self.name,
            sandbox_id=sandbox_id,
            container_id=container_id,
            pid=info["pid"],
            container_pid=json.loads(container.info["info"])["pid"],
            ips=tuple(ip for ip in (network.ip, *(more.ip for more in network.additional_ips)) if ip),
            netns=_netns(info),
            host_veth=_host_veth(info),
            started_at=container.status.started_at,
        )


def _netns(info: Mapping[str, Any]) -> str:
    namespaces = info["runtimeSpec"]["linux"]["namespaces"]
    return next((n["path"] for n in namespaces if n["type"] == "network" and "path" in n), "")


def _host_veth(info: Mapping[str, Any]) -> str:
    interfaces = (info.get("cniResult") or {}).get("Interfaces") or {}
    return next((name for name in interfaces if name.startswith("veth")), "")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise LabError(f"containerd: {what}: {error}") from error
