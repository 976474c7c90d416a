"""The lab is what it says: real parts, wired as in a cluster."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from deploy.lab import packages
from deploy.lab.kubeproxy.iptables import NFACCT_OBJECTS
from deploy.lab.lab import Lab
from deploy.lab.manifests import PortPlan, service
from deploy.lab.runtime import PodFacts
from node_helper.changes import apart
from node_helper.stop import Stop

pytestmark = pytest.mark.live

CLIENTS = ("default/client", "default/client-two")
FORKS = 25  # with gRPC's threads in them, a fourth of them died
TRIES = 40  # a service of two endpoints shows both but for one time in 2**39


def fetch(lab: Lab, client: str, url: str) -> tuple[int, str]:
    pod = lab.pods[client]
    status, said = lab.runtimes[pod.node].exec(pod, ["timeout", "5", "wget", "-q", "-O", "-", url])
    return status, said.strip()


def in_netns(lab: Lab, pod: PodFacts, *argv: str) -> str:
    return lab.nodes[pod.node].run(["nsenter", f"--target={pod.pid}", "--net", *argv]).stdout


def hello_pods(lab: Lab) -> list[PodFacts]:
    return [pod for pod in lab.pods.values() if pod.spec.name.startswith("hello-world-")]


def dns_pods(lab: Lab) -> list[PodFacts]:
    return [pod for pod in lab.pods.values() if pod.spec.name.startswith("kube-dns-")]


def test_who_has_a_lab_can_let_work_go_on_in_a_process_of_its_own(lab: Lab) -> None:
    """gRPC, by which the lab speaks with its runtimes, can end a fork."""
    assert lab.pods

    def work() -> bytes:
        time.sleep(0.1)
        return b"done"

    assert [apart.run(work, Stop(20)) for _ in range(FORKS)] == [b"done"] * FORKS


@pytest.mark.parametrize("client", CLIENTS)
def test_pods_reach_each_other_over_both_families(lab: Lab, client: str) -> None:
    for pod in hello_pods(lab):
        four, six = pod.ips
        assert fetch(lab, client, f"http://{four}:8080/") == (0, pod.spec.name)
        assert fetch(lab, client, f"http://[{six}]:8080/") == (0, pod.spec.name)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("host", ["hello-world", "10.96.47.200", "[fd00:10:96::2fc8]"])
def test_a_service_leads_to_its_pods_on_both_nodes(lab: Lab, client: str, host: str) -> None:
    wanted = {pod.spec.name for pod in hello_pods(lab)}
    seen: set[str] = set()
    for _ in range(TRIES):
        status, name = fetch(lab, client, f"http://{host}/")
        assert status == 0
        seen.add(name)
        if seen == wanted:
            return
    assert seen == wanted


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_the_cluster_dns_answers_at_its_cluster_ip(lab: Lab, client: str, transport: str) -> None:
    name = "hello-world.default.svc.cluster.local"
    ask = ("dig", "+short", transport, "@10.96.0.10")
    assert in_netns(lab, lab.pods[client], *ask, "A", name) == "10.96.47.200\n"
    assert in_netns(lab, lab.pods[client], *ask, "AAAA", name) == "fd00:10:96::2fc8\n"
    assert in_netns(lab, lab.pods[client], *ask, "SRV", f"_http._tcp.{name}") == f"0 0 80 {name}.\n"
    assert in_netns(lab, lab.pods[client], *ask, "A", "example.com") == "198.51.100.10\n"


def test_the_cluster_dns_knows_what_it_does_not_know(lab: Lab) -> None:
    answer = in_netns(lab, lab.pods["default/client"], "dig", "@10.96.0.10", "nothing.default.svc.cluster.local")
    assert "status: NXDOMAIN" in answer


def test_a_pod_reaches_the_kubernetes_api_by_its_service(lab: Lab) -> None:
    ask = (
        "import http.client, ssl\n"
        "api = http.client.HTTPSConnection('10.96.0.1', timeout=5, context=ssl._create_unverified_context())\n"
        "api.request('GET', '/api/v1/pods')\n"
        "print(api.getresponse().status)"
    )
    unauthorized = in_netns(lab, lab.pods["default/client"], "/usr/bin/python3", "-ISc", ask)
    assert unauthorized == "401\n"


def test_a_node_uses_services_as_its_pods_do(lab: Lab) -> None:
    for node in lab.nodes.values():
        assert node.run(["dig", "+short", "@10.96.0.10", "example.org"]).stdout == "198.51.100.20\n"


def test_each_node_has_rules_of_its_own_backend(lab: Lab) -> None:
    one, two = (lab.nodes[name].run(["nft", "list", "tables"]).stdout for name in ("node-one", "node-two"))
    assert ("table ip nat" in one, "table ip kube-proxy" in one) == (True, False)
    assert ("table ip nat" in two, "table ip kube-proxy" in two) == (False, True)
    assert all(name in lab.nodes["node-one"].run(["nfacct", "list"]).stdout for name in NFACCT_OBJECTS)


def test_objects_say_what_runs(lab: Lab) -> None:
    for name, facts in lab.pods.items():
        namespace, _, pod_name = name.partition("/")
        pod = lab.store.get("Pod", pod_name, namespace)
        assert pod is not None
        ips = [each["ip"] for each in pod["status"]["podIPs"]]
        assert pod["spec"]["nodeName"] == facts.node
        assert pod["status"]["containerStatuses"][0]["containerID"] == f"containerd://{facts.container_id}"
        assert ips == list(facts.ips) or facts.spec.host_network


def test_the_veth_of_a_pod_hangs_on_the_nodes_bridge(lab: Lab) -> None:
    for pod in lab.pods.values():
        if not pod.spec.host_network:
            shown = json.loads(lab.nodes[pod.node].run(["ip", "-json", "link", "show", pod.host_veth]).stdout)
            assert (shown[0]["master"], shown[0]["operstate"]) == ("cni0", "UP")


def test_nodes_follow_a_change_of_the_objects(lab: Lab) -> None:
    key = ("default", "second")
    web = PortPlan("http", "TCP", 81, 8080)
    lab.store.put(service(key, ("10.96.47.201", "fd00:10:96::2fc9"), [web], {"app": "hello-world"}))
    lab.apply()
    try:
        for client in CLIENTS:
            status, name = fetch(lab, client, "http://second:81/")
            assert (status, name.startswith("hello-world-")) == (0, True)
    finally:
        lab.store.delete("Service", "second", "default")
        for family in ("ipv4", "ipv6"):
            lab.store.delete("EndpointSlice", f"second-{family}", "default")
        lab.apply()


def test_ssh_reaches_the_helper_and_nothing_else(lab: Lab) -> None:
    for name in lab.nodes:
        hello = json.loads(_ssh(lab, name, "cat /etc/shadow").stdout.splitlines()[0])
        assert hello["hello"]["hostname"] == name


def test_ssh_trusts_only_the_host_ca(lab: Lab) -> None:
    refused = _ssh(lab, "node-one", "", "-o", "UserKnownHostsFile=/dev/null")
    assert refused.returncode != 0
    assert "Host key verification failed" in refused.stderr


def test_a_node_cannot_write_to_the_machine(lab: Lab) -> None:
    for node in lab.nodes.values():
        assert node.run(["sysctl", "-w", "vm.swappiness=60"], check=False).returncode != 0
        node.run(["touch", "/usr/local/trace-of-a-node"])
    assert subprocess.run(["ls", "/usr/local/trace-of-a-node"], capture_output=True, check=False).returncode != 0


def _ssh(lab: Lab, node: str, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    argv = packages.prepare(print).argv(["ssh", "-F", str(lab.ssh_config), *options, "-T", node, command])
    return subprocess.run(argv, input="", capture_output=True, text=True, check=False, timeout=30)
