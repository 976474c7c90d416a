"""A pod on nodes that exist on paper, in the recorded words of each runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from node_helper.facts import sandbox
from node_helper.records import Completed, Process
from tests.pretend_kernel import NODE, process

RECORDED = Path(__file__).parent.parent / "data" / "runtimes"
UID = "386a9073-7e35-11e8-8a3d-bae97d2c1afd"
UNDERSCORED = UID.replace("-", "_")
NAME = "hello-world-5b446dd74b-pxtzt"
POD = sandbox.Query(UID, NAME, "default")
POD_NS, OTHER_NS = 4026532890, 4026532999
PAUSE, APP, OLD = "3d" * 32, "7a" * 32, "0b" * 32
SLICE = f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UNDERSCORED}.slice"
TASKS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
CRIO = "/run/containers/storage/overlay-containers"
CONTAINERD_NETNS = "/var/run/netns/cni-a7d27b4c-112c-6280-700b-fecadf1a5124"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / name).read_text())


def containerd_spec() -> Any:
    return recorded("containerd-1.6-inspectp.json")["info"]["runtimeSpec"]


def task(identity: str, pid: int | None, spec: Any, root: str = TASKS) -> dict[str, str]:
    files = {f"{root}/{identity}/config.json": json.dumps(spec)}
    return files if pid is None else {**files, f"{root}/{identity}/init.pid": str(pid)}


def on_systemd(identity: str) -> str:
    return f"{SLICE}/cri-containerd-{identity}.scope"


def running(*more: Process) -> tuple[Process, ...]:
    """A pause process and an application in one namespace, and what else a node runs."""
    return (
        process(1, "/init.scope", NODE.inode, 1, "systemd"),
        process(144, on_systemd(PAUSE), POD_NS, 900, "pause"),
        process(217, on_systemd(APP), POD_NS, 950),
        *more,
    )


def crictl(*items: dict[str, Any]) -> Any:
    def run(argv: tuple[str, ...]) -> Completed:
        if "pods" in argv:
            return Completed(0, json.dumps({"items": items}), "")
        return Completed(0, json.dumps(recorded("containerd-1.6-inspectp.json")), "")

    return run


def item(identity: str, state: str, attempt: int) -> dict[str, Any]:
    return {"id": identity, "state": state, "metadata": {"name": NAME, "uid": UID, "attempt": attempt}}


SOCKET = {"/run/containerd/containerd.sock": ""}


def docker(**state: Any) -> dict[str, str]:
    inspected = {
        "Name": f"/k8s_POD_{NAME}_default_{UID}_4",
        "State": {"Status": "running", "Pid": 144, **state},
        "NetworkSettings": {"SandboxKey": "/var/run/docker/netns/0123456789ab"},
        "HostConfig": {"NetworkMode": "none", "Runtime": "runc"},
    }
    return {"/containers/json": json.dumps([{"Id": PAUSE}]), f"/containers/{PAUSE}/json": json.dumps(inspected)}


DOCKERD = {"/var/run/docker.pid": "99", "/proc/99/comm": "dockerd\n"}
