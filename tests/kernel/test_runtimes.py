"""A pod is found on nodes of every runtime and layout that can be had here, as the runtime itself says where it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.lab import cgroups
from deploy.lab.cgroups import Version
from deploy.lab.node import Node
from node_helper.facts import interfaces
from node_helper.facts.sandbox import Attempt, Sandbox
from tests.kernel.lone_node import LoneNode, lone_node, plan, pod

pytestmark = pytest.mark.live
ATTEMPTS = 10

VERSIONS = [version for version in Version if version is Version.V2 or cgroups.usual(cgroups.on_this_machine()) is Version.V1]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version.value)
def docker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneNode]:
    with lone_node(plan("docker"), tmp_path_factory.mktemp("docker"), request.param) as node:
        yield node


def inspected(node: Node, container: str, template: str) -> str:
    return node.run(["docker", "inspect", "--format", template, container]).stdout.strip()


def inode(node: Node, path: str) -> int:
    return int(node.run(["stat", "-Lc", "%i", path]).stdout)


def received(node: Node) -> dict[str, int]:
    links = json.loads(node.run(["ip", "-j", "-s", "link"]).stdout)
    return {link["ifname"]: link["stats64"]["rx"]["packets"] for link in links}


def test_a_docker_sandbox_is_the_one_that_docker_inspect_shows(docker: LoneNode) -> None:
    running = docker.run(pod())
    found = docker.find(running.spec)
    pid = inspected(docker.node, running.sandbox_id, "{{ .State.Pid }}")
    key = inspected(docker.node, running.sandbox_id, "{{ .NetworkSettings.SandboxKey }}")
    assert (found.runtime, found.id, str(found.pid), found.state) == ("docker", running.sandbox_id, pid, "ready")
    assert (found.host_network, found.processes >= 2) == (False, True)  # both pause, and their sleeps once they are there
    assert found.netns is not None
    assert (found.netns.path, found.netns.inode) == (key, inode(docker.node, f"/proc/{pid}/ns/net"))
    assert inode(docker.node, key) == found.netns.inode
    assert inspected(docker.node, running.container_id, "{{ .NetworkSettings.SandboxKey }}") == ""
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
    found = docker.find(running.spec)
    assert (found.id, found.pid, found.host_network) == (running.sandbox_id, running.pid, True)
    assert found.netns is not None
    assert found.netns.inode == inode(docker.node, "/proc/1/ns/net")
    docker.runtime.remove(running)


def test_a_stopped_docker_sandbox_stays_listed_and_the_next_attempt_is_taken(docker: LoneNode) -> None:
    first = docker.run(pod())
    docker.runtime.stop(first)
    stopped = docker.find(first.spec)
    assert (stopped.state, stopped.pid, stopped.netns, stopped.processes) == ("stopped", None, None, 0)
    assert stopped.attempts == (Attempt(first.sandbox_id, "stopped", 0, 0),)
    second = docker.run(replace(first.spec, attempt=1))
    found = docker.find(first.spec)
    assert (found.id, found.pid, found.state) == (second.sandbox_id, second.pid, "ready")
    assert found.attempts == (
        Attempt(first.sandbox_id, "stopped", 0, 0),
        Attempt(second.sandbox_id, "ready", 1, second.pid),
    )
    for running in (first, second):
        docker.runtime.remove(running)
    assert docker.find(first.spec).state == "absent"


def test_a_pod_is_found_while_only_its_sandbox_runs(docker: LoneNode) -> None:
    running = docker.run(pod())
    docker.node.run(["docker", "kill", running.container_id])
    assert docker.find(running.spec).pid == running.pid
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
