"""A node with a kernel of its own joins the lab: the worker's helper looks at it over SSH, and its sysctls can be written."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.errors import LabError
from deploy.lab.guest.join import NAME, joined
from deploy.lab.guest.node import GuestNode
from deploy.lab.lab import Lab

pytestmark = pytest.mark.live

MAXIMUM = "net.netfilter.nf_conntrack_max"
VIRTUAL = "10.96.0.200"
ADDRESS = "10.199.0.13"
CONNECT = f"""
import socket, sys
kept = [socket.create_connection(("{VIRTUAL}", 80), source_address=("{ADDRESS}", 0)) for _ in range(3)]
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[GuestNode]:
    with joined(lab) as own:
        yield own


def checked(lab: Lab, *words: str) -> dict[str, Any]:
    environment = {**os.environ, **lab.settings()}
    argv = [sys.executable, "-m", "bot", "check", *words, "--output", "json"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_its_conntrack_maximum_is_its_own_and_can_be_written(node: GuestNode) -> None:
    machine = Path("/proc/sys/net/netfilter/nf_conntrack_max")
    before = machine.read_text()
    node.sysctl({MAXIMUM: 198000})
    assert node.run(["sysctl", "-n", MAXIMUM]).stdout == "198000\n"
    assert machine.read_text() == before


def test_it_reaches_the_pods_of_the_lab_and_they_reach_it(lab: Lab, node: GuestNode) -> None:
    pod = lab.find_pod("hello-world")
    for address in pod.ips:
        node.run(["ping", "-c", "1", "-W", "5", address])
    lab.nodes[pod.node].run(["ping", "-c", "1", "-W", "5", ADDRESS])


def test_commands_say_how_they_ended(node: GuestNode) -> None:
    done = node.run(["sh", "-c", "cat; echo beside >&2; exit 3"], stdin="said\n", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "beside\n")
    with pytest.raises(LabError, match="ended with 1"):
        node.run(["false"])
    with pytest.raises(LabError, match="its own kernel's"):
        node.path("/proc/sys/net/ipv4/ip_forward")


def test_its_services_go_to_their_pods_as_kube_proxy_does_it_in_ipvs_mode(lab: Lab, node: GuestNode) -> None:
    said = checked(lab, "ipvs", "default/hello-world")
    assert [f["id"] for f in said["findings"]] == ["ipvs-deprecated"]
    assert [said["facts"]["nodes"][plan.name]["in_use"] for plan in lab.plans] == [False, False]
    seen = said["facts"]["nodes"][NAME]["virtual_servers"]
    reals = {f"{r['address']}:{r['port']}" for v in seen if v["family"] == 4 for r in v["real_servers"]}
    assert reals == {f"{pod.ips[0]}:8080" for pod in lab.find_pods("hello-world")}
    address = next(v["address"] for v in seen if v["family"] == 4)
    node.run(["python3", "-c", f"import socket; socket.create_connection(('{address}', 80), 20)"])


def test_connections_whose_server_was_removed_are_found_from_outside(lab: Lab, node: GuestNode) -> None:
    pod = lab.find_pod("hello-world")
    real = f"{pod.ips[0]}:8080"
    node.ip(f"addr add {VIRTUAL}/32 dev kube-ipvs0")
    node.sysctl({"net.ipv4.vs.expire_nodest_conn": 0})
    node.run(["ipvsadm-restore"], stdin=f"-A -t {VIRTUAL}:80 -s rr\n-a -t {VIRTUAL}:80 -r {real} -m -w 1\n")
    assert [f["id"] for f in checked(lab, "ipvs", NAME)["findings"]] == ["ipvs-deprecated"]
    end = node.daemon(
        ["sh", "-c", f"sleep 60 | python3 -c {shlex.quote(CONNECT)}"], "clients.log", lambda: "open" in node.log("clients.log")
    )
    node.run(["ipvsadm", "-d", "-t", f"{VIRTUAL}:80", "-r", real])
    said = checked(lab, "ipvs", NAME)
    end()
    found = [f for f in said["findings"] if f["id"] == "ipvs-dead-destination"]
    assert [(f["severity"], f["node"], f["subject"]) for f in found] == [("problem", NAME, f"TCP {VIRTUAL}:80")]
    assert any(e["value"].startswith(f"3 ESTABLISHED to {real}") for e in found[0]["evidence"])


def test_it_leaves_with_all_that_it_brought(lab: Lab) -> None:
    config = lab.ssh_config.read_text()
    with joined(lab, "node-gone") as own:
        pid = own.pid
        assert "node-gone" in lab.ssh_config.read_text()
        assert lab.store.get("Node", "node-gone") is not None
    assert lab.ssh_config.read_text() == config
    assert lab.store.get("Node", "node-gone") is None
    assert not Path(f"/proc/{pid}").exists()
    links = lab.fabric.run(["ip", "-o", "link"]).stdout
    assert "to-node-gone" not in links
