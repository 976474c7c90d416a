"""What the lab works out before it touches the machine."""

from __future__ import annotations

import ipaddress
import os
import platform
from pathlib import Path

import pytest

from deploy.lab import cgroups, dns, machine, manifests, workload
from deploy.lab.cgroups import Hierarchy
from deploy.lab.errors import LabError
from deploy.lab.kubeapi import Store
from deploy.lab.plan import NODES, POD_CIDRS, NodePlan, Proxy
from deploy.lab.runtime import PodFacts
from deploy.lab.slices import slices

V1 = """9:name=systemd:/
4:memory:/process/abc
3:cpu,cpuacct:/
0::/
"""
V1_MOUNTS = """31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
99 31 0:38 / /somewhere/else rw,relatime - cgroup2 cgroup2 rw
"""


def test_every_cgroup_hierarchy_is_found_once_at_the_cgroup_we_run_in() -> None:
    assert set(cgroups.hierarchies(V1, V1_MOUNTS)) == {
        Hierarchy("name=systemd", Path("/sys/fs/cgroup/systemd")),
        Hierarchy("memory", Path("/sys/fs/cgroup/memory/process/abc")),
        Hierarchy("cpu,cpuacct", Path("/sys/fs/cgroup/cpu,cpuacct")),
        Hierarchy("", Path("/sys/fs/cgroup/unified")),
    }


def test_a_cgroup_is_found_where_a_container_sees_only_its_own_part() -> None:
    mounts = "30 23 0:28 /docker/1234 /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate\n"
    assert list(cgroups.hierarchies("0::/docker/1234/child\n", mounts)) == [Hierarchy("", Path("/sys/fs/cgroup/child"))]


@pytest.mark.parametrize(
    ("found", "version"),
    [
        ([Hierarchy("memory", Path("/m")), Hierarchy("", Path("/u"))], cgroups.Version.V1),
        ([Hierarchy("name=systemd", Path("/s")), Hierarchy("", Path("/u"))], cgroups.Version.V2),
    ],
)
def test_nodes_have_the_cgroups_of_the_machine(found: list[Hierarchy], version: cgroups.Version) -> None:
    assert cgroups.usual(found) is version


@pytest.mark.parametrize(
    ("system", "release", "uid", "said"),
    [
        ("Darwin", {}, 0, "this is Darwin"),
        ("Linux", {"ID": "fedora", "VERSION_ID": "41", "PRETTY_NAME": "Fedora 41"}, 0, "this is Fedora 41"),
        ("Linux", {"ID": "debian", "VERSION_ID": "12"}, 1000, "run it again as root"),
    ],
)
def test_a_machine_that_will_not_do_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, system: str, release: dict[str, str], uid: int, said: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(LabError, match=said) as refused:
        machine.require()
    assert "\n" not in str(refused.value)
    assert "root on Debian 12" in str(refused.value)


def test_addresses_of_nodes_and_pods_do_not_overlap() -> None:
    wide = [ipaddress.ip_network(cidr) for cidr in POD_CIDRS.split(",")]
    for family, cidrs in ((wide[0], [n.pod_cidr for n in NODES]), (wide[1], [n.pod_cidr6 for n in NODES])):
        networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
        assert len(set(networks)) == len(NODES)
        assert all(ipaddress.ip_address(network[1]) in family for network in networks)
    assert len({n.address for n in NODES} | {n.address6 for n in NODES}) == 2 * len(NODES)


def test_pods_have_the_same_names_in_every_lab_and_never_the_same_uid() -> None:
    first, second = ([pod for pods in workload.pods(NODES).values() for pod in pods] for _ in range(2))
    assert [pod.name for pod in first] == [pod.name for pod in second]
    assert len({pod.uid for pod in (*first, *second)}) == 2 * len(first)
    assert len({pod.name for pod in first}) == len(first)


def test_dns_has_an_address_of_each_family_and_a_record_of_each_port() -> None:
    text = dns.configuration(list(workload.services()))
    assert "host-record=hello-world.default.svc.cluster.local,10.96.47.200,fd00:10:96::2fc8\n" in text
    assert "srv-host=_dns-tcp._tcp.kube-dns.kube-system.svc.cluster.local,kube-dns.kube-system.svc.cluster.local,53\n" in text
    assert "server=/cluster.local/\n" in text


def test_a_slice_holds_the_pods_that_the_service_selects_and_no_others() -> None:
    service = next(workload.services())
    pods = [_pod("default", "a", "hello-world"), _pod("default", "b", "other"), _pod("shop", "c", "hello-world")]
    by_family = {piece["addressType"]: piece for piece in slices(_stored(service), pods)}
    assert [e["addresses"] for e in by_family["IPv4"]["endpoints"]] == [["10.244.1.9"]]
    assert [e["addresses"] for e in by_family["IPv6"]["endpoints"]] == [["fd00:10:244:1::9"]]
    assert [p["port"] for p in by_family["IPv4"]["ports"]] == [8080]


@pytest.mark.parametrize(
    ("change", "conditions"),
    [
        ({}, {"ready": True, "serving": True, "terminating": False}),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, {"ready": False, "serving": True, "terminating": True}),
    ],
)
def test_a_pod_that_goes_serves_but_is_not_ready(change: dict[str, str], conditions: dict[str, bool]) -> None:
    pod = _pod("default", "a", "hello-world")
    pod["metadata"].update(change)
    piece = next(slices(_stored(next(workload.services())), [pod]))
    assert piece["endpoints"][0]["conditions"] == conditions


def test_a_pod_object_says_what_the_runtime_said() -> None:
    plan = NodePlan("node-one", 1, Proxy.IPTABLES)
    spec = workload.pods([plan])[plan][0]
    facts = PodFacts(spec, plan.name, "containerd", "s1", "c1", 7, 9, ("10.244.1.9", "fd00::9"), "/n", "veth1", 10**9)
    pod = manifests.pod(facts, plan, owner=None)
    assert pod["status"]["podIPs"] == [{"ip": "10.244.1.9"}, {"ip": "fd00::9"}]
    assert pod["status"]["containerStatuses"][0]["containerID"] == "containerd://c1"
    assert pod["status"]["startTime"] == "1970-01-01T00:00:01Z"


def _pod(namespace: str, name: str, app: str) -> manifests.Json:
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": name, "labels": {"app": app}},
        "spec": {"nodeName": "node-one"},
        "status": {
            "podIPs": [{"ip": "10.244.1.9"}, {"ip": "fd00:10:244:1::9"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _stored(service: manifests.Object) -> manifests.Object:
    return Store().put(service)
