"""Every way to break the lab is named by the diagnosis, and once it is mended nothing is found any more.

A new file in `deploy/lab/faults/` is a new test here.
"""

from __future__ import annotations

import pytest

from deploy.lab import faults
from deploy.lab.lab import Lab
from tests.faults.asking import check

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("fault", faults.find().values(), ids=lambda fault: fault.name)
def test_a_fault_is_named_and_gone_when_mended(lab: Lab, fault: faults.Fault) -> None:
    with fault.injected(lab):
        broken = check(lab, fault.ask)
    assert fault.finding in {finding["id"] for finding in broken["findings"]}
    assert broken["verdict"] in ("warning", "unknown", "problem")
    mended = check(lab, fault.ask)
    assert (mended["verdict"], mended["findings"]) == ("healthy", [])


@pytest.mark.parametrize(
    "ask",
    [
        "pod {hello}",
        "pod {client}",
        "dns hello-world from {client}",
        "dns example.com. from {client} type=AAAA",
        "pods in all",
        "services in all",
        "node node-one",
        "node node-two",
        "nodes",
        "conntrack node-one",
        "conntrack {hello}",
        "conntrack node-two for 1s",
        "rules hello-world",
        "iptables node-one",
        "nftables node-two",
        "ipvs hello-world",
        "ipvs node-one",
        "connect hello-world.default:80 from {client}",
    ],
)
def test_a_healthy_lab_gives_no_finding(lab: Lab, ask: str) -> None:
    said = check(lab, ask)
    assert (said["verdict"], said["findings"]) == ("healthy", [])


def test_the_sandbox_and_the_veth_are_those_of_the_runtime(lab: Lab) -> None:
    for name, pod in lab.pods.items():
        facts = check(lab, f"pod {name}")["facts"]
        assert facts["sandbox_pid"] == pod.pid
        assert facts["host_network"] == pod.spec.host_network
        if not pod.spec.host_network:
            (eth0,) = (each for each in facts["interfaces"] if each["name"] == "eth0")
            assert (eth0["peer"]["name"], eth0["peer"]["master"]) == (pod.host_veth, "cni0")
