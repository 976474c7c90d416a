"""A pod is found on nodes of every runtime and layout that can be had here, as the runtime itself says where it is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from deploy.lab import cgroups, images, packages, runtimes
from deploy.lab.cgroups import Version
from deploy.lab.node import Node
from deploy.lab.runtime import PodFacts
from node_helper.facts import interfaces, sandbox
from node_helper.facts.sandbox import Attempt, Sandbox
from node_helper.kernel import Netns
from tests.kernel.lone_node import LoneNode, lone_node, plan, pod
from tests.kernel.systemd_node import Inside, systemd_node
from tests.leftovers import eventually

pytestmark = pytest.mark.live
ATTEMPTS = 10
_SCOPES = {"containerd": "cri-containerd", "docker": "docker"}

VERSIONS = [version for version in Version if version is Version.V2 or cgroups.usual(cgroups.on_this_machine()) is Version.V1]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version.value)
def docker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneNode]:
    with lone_node(plan("docker"), tmp_path_factory.mktemp("docker"), request.param) as node:
        yield node


@pytest.fixture(scope="module", params=["containerd", "docker"])
def under_systemd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneNode]:
    """With systemd as PID 1, which the runtime asks for its cgroups."""
    with ExitStack() as stack:
        planned = plan(request.param, cgroups.Driver.SYSTEMD)
        one = stack.enter_context(systemd_node(tmp_path_factory.mktemp("systemd"), 262144, 65536, planned))
        node = Inside(one)
        runtime = runtimes.start(node, planned)
        stack.callback(runtime.close)
        for archive in images.archives(packages.prepare(print)):
            runtime.load(archive)
        yield LoneNode(node, runtime, stack.enter_context(one.helper()))


def as_docker_says(node: Node, uid: str) -> Sandbox:
    """The whole answer but its sources: what `docker inspect` says of the pod's containers, and `docker top` of its processes."""
    ours = ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=io.kubernetes.pod.uid={uid}"]
    every = json.loads(node.run(["docker", "inspect", *node.run(ours).stdout.split()]).stdout)
    listed = sorted(filter(_is_sandbox, every), key=_attempt)
    chosen = max(listed, key=lambda one: (one["State"]["Running"], _attempt(one)))
    state = "ready" if chosen["State"]["Running"] else "stopped"
    on_host = chosen["HostConfig"]["NetworkMode"] == "host"
    path = "/proc/1/ns/net" if on_host else chosen["NetworkSettings"]["SandboxKey"] if state == "ready" else ""
    return Sandbox(
        runtime="docker",
        id=chosen["Id"],
        pid=chosen["State"]["Pid"] or None,
        netns=Netns(path, inode(node, path)) if path else None,
        host_network=on_host,
        state=state,
        processes=sum(
            len(node.run(["docker", "top", one["Id"]]).stdout.splitlines()) - 1 for one in every if one["State"]["Running"]
        ),
        sources=(),
        attempts=tuple(
            Attempt(one["Id"], "ready" if one["State"]["Running"] else "stopped", _attempt(one), one["State"]["Pid"])
            for one in listed
        ),
    )


def _is_sandbox(inspected: Any) -> bool:
    return bool(inspected["Config"]["Labels"]["io.kubernetes.docker.type"] == "podsandbox")


def _attempt(inspected: Any) -> int:
    """Of ``/k8s_POD_<name>_<namespace>_<uid>_<attempt>``."""
    return int(inspected["Name"].rpartition("_")[2])


def assert_agrees(docker: LoneNode, running: PodFacts, state: str) -> Sandbox:
    """Ours is docker's, in every field; the processes of a pod come and go."""
    agreed = eventually(lambda: docker.find(running.spec).processes == as_docker_says(docker.node, running.spec.uid).processes)
    found, said = docker.find(running.spec), as_docker_says(docker.node, running.spec.uid)
    assert (replace(found, sources=()), agreed) == (said, True)
    assert (found.state, f"/var/run/docker.sock GET /containers/{found.id}/json" in found.sources) == (state, True)
    if found.pid is not None and found.netns is not None:
        assert inode(docker.node, f"/proc/{found.pid}/ns/net") == found.netns.inode
    return found


def inode(node: Node, path: str) -> int:
    return int(node.run(["stat", "-Lc", "%i", path]).stdout)


def received(node: Node) -> dict[str, int]:
    links = json.loads(node.run(["ip", "-j", "-s", "link"]).stdout)
    return {link["ifname"]: link["stats64"]["rx"]["packets"] for link in links}


def test_a_docker_sandbox_is_the_one_that_docker_inspect_shows(docker: LoneNode) -> None:
    running = docker.run(pod())
    found = assert_agrees(docker, running, "ready")
    assert (found.id, found.host_network, found.processes >= 2) == (running.sandbox_id, False, True)
    docker.runtime.remove(running)


def test_the_veth_of_a_docker_pod_is_the_one_that_counts_its_packets(docker: LoneNode) -> None:
    running = docker.run(pod())
    found = docker.find(running.spec)
    assert found.netns is not None
    devices = docker.helper.ask(interfaces.FACT, interfaces.Query(found.netns)).interfaces
    eth0 = next(one for one in devices if one.link.name == "eth0")
    assert eth0.peer is not None
    before = received(docker.node)
    docker.runtime.exec(running, ["ping", "-c", str(ATTEMPTS), "-i", "0.01", "10.244.1.1"])
    after = received(docker.node)
    moved = {name: after[name] - before[name] for name in after if name.startswith("veth")}
    assert max(moved, key=lambda name: moved[name]) == eth0.peer.link.name == running.host_veth
    assert moved[running.host_veth] >= ATTEMPTS
    assert (eth0.peer.mutual, eth0.peer.master) == (True, "cni0")
    docker.runtime.remove(running)


def test_a_docker_pod_on_the_host_network_is_in_the_nodes_namespace(docker: LoneNode) -> None:
    running = docker.run(pod("kube-proxy-x", host_network=True))
    assert assert_agrees(docker, running, "ready").host_network
    docker.runtime.stop(running)
    assert assert_agrees(docker, running, "stopped").host_network
    docker.runtime.remove(running)


def test_a_stopped_docker_sandbox_stays_listed_and_the_next_attempt_is_taken(docker: LoneNode) -> None:
    first = docker.run(pod())
    docker.runtime.stop(first)
    stopped = assert_agrees(docker, first, "stopped")
    assert (stopped.pid, stopped.netns, stopped.processes) == (None, None, 0)
    assert stopped.attempts == (Attempt(first.sandbox_id, "stopped", 0, 0),)
    second = docker.run(replace(first.spec, attempt=1))
    found = assert_agrees(docker, second, "ready")
    assert (found.id, found.pid) == (second.sandbox_id, second.pid)
    assert [(one.id, one.attempt) for one in found.attempts] == [(first.sandbox_id, 0), (second.sandbox_id, 1)]
    docker.runtime.stop(second)
    assert assert_agrees(docker, second, "stopped").id == second.sandbox_id
    for running in (first, second):
        docker.runtime.remove(running)
    assert docker.find(first.spec).state == "absent"


def test_a_pod_is_found_while_only_its_sandbox_runs(docker: LoneNode) -> None:
    running = docker.run(pod())
    docker.node.run(["docker", "kill", running.container_id])
    assert assert_agrees(docker, running, "ready").pid == running.pid
    docker.runtime.remove(running)


def test_cri_dockerds_socket_beside_dockers_changes_nothing(docker: LoneNode) -> None:
    running = docker.run(pod())
    alone = docker.find(running.spec)
    listen = (
        "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('/var/run/cri-dockerd.sock'); s.listen(); time.sleep(600)"
    )
    socket = docker.node.path("/var/run/cri-dockerd.sock")
    end = docker.node.daemon(["/usr/bin/python3", "-ISc", listen], "cri-dockerd.log", socket.exists)
    try:
        assert replace(docker.find(running.spec), processes=alone.processes) == alone
    finally:
        end()
        socket.unlink()
    docker.runtime.remove(running)


@pytest.mark.parametrize("runtime", ["k3s", "k0s", "microk8s"])
def test_containerd_is_found_where_distributions_have_it(runtime: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with lone_node(plan(runtime), tmp_path_factory.mktemp(runtime)) as node:
        running = node.run(pod())
        assert_is(node.find(running.spec), node.node, running.sandbox_id, running.pid)
        host = node.run(pod("kube-proxy-x", host_network=True))
        assert (node.find(host.spec).pid, node.find(host.spec).host_network) == (host.pid, True)


def assert_is(found: Sandbox, node: Node, sandbox_id: str, pid: int) -> None:
    assert (found.id, found.pid, found.state, found.host_network) == (sandbox_id, pid, "ready", False)
    assert found.netns is not None
    assert found.netns.inode == inode(node, f"/proc/{pid}/ns/net")


def test_pods_whose_cgroups_are_systemds_are_found(under_systemd: LoneNode) -> None:
    running = under_systemd.run(pod())
    scope = f"pod{running.spec.uid.replace('-', '_')}.slice/{_SCOPES[under_systemd.runtime.name]}-{running.sandbox_id}.scope\n"
    assert scope in under_systemd.node.run(["cat", f"/proc/{running.pid}/cgroup"]).stdout
    assert_is(under_systemd.find(running.spec), under_systemd.node, running.sandbox_id, running.pid)
    host = under_systemd.run(pod("kube-proxy-x", host_network=True))
    assert (under_systemd.find(host.spec).pid, under_systemd.find(host.spec).host_network) == (host.pid, True)
    if under_systemd.runtime.name == "docker":
        for one in (running, host):
            assert_agrees(under_systemd, one, "ready")


def test_a_static_pod_is_found_by_its_config_hash(under_systemd: LoneNode) -> None:
    """The runtime knows it by the hash of its manifest, and the API by the UID of its mirror."""
    running = under_systemd.run(replace(pod("etcd-node"), uid=uuid.uuid4().hex, namespace="kube-system"))
    mirror = sandbox.Query(str(uuid.uuid4()), running.spec.name, running.spec.namespace)
    assert under_systemd.helper.ask(sandbox.FACT, mirror).state == "absent"
    found = under_systemd.helper.ask(sandbox.FACT, replace(mirror, config_hash=running.spec.uid))
    assert_is(found, under_systemd.node, running.sandbox_id, running.pid)
