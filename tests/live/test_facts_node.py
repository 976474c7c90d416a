"""On real kernels: what a node tells of itself is what sysctl, ip, nstat, nft and iptables say, and looking changes nothing."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest

from deploy.lab import packages
from deploy.lab.lab import Lab
from deploy.lab.node import Node
from node_helper.facts import (
    dataplane,
    devices,
    forward_policy,
    kube_proxy,
    neighbour_stats,
    netstat,
    node_summary,
    softnet,
    sysctls,
)
from node_helper.kernel import Netns
from node_helper.linux import bpf, netns
from node_helper.linux.bpf import _attributes, _call
from tests.node_helper_asked import Asked, asked
from tests.throwaway import LinuxWhere, namespace

pytestmark = pytest.mark.live
NODES = ("node-one", "node-two")
# Counters that stand still on a node that nobody uses; the others move between two looks.
STILL = (
    "TcpExtListenOverflows",
    "TcpExtListenDrops",
    "TcpExtIPReversePathFilter",
    "IpFragFails",
    "UdpRcvbufErrors",
)
LOAD, ATTACH = 5, 8  # BPF_PROG_LOAD, BPF_PROG_ATTACH
SCHED_CLS, TCX_INGRESS = 3, 46
RETURN_ZERO = struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0)  # r0 = 0; exit


@pytest.fixture(scope="module")
def helpers(lab: Lab) -> Iterator[dict[str, Asked]]:
    with asked(lab.nodes["node-one"]) as one, asked(lab.nodes["node-two"]) as two:
        yield {"node-one": one, "node-two": two}


@pytest.mark.parametrize("name", NODES)
def test_sysctls_are_those_that_the_tool_prints(lab: Lab, helpers: dict[str, Asked], name: str) -> None:
    ours = helpers[name].ask(sysctls.FACT, sysctls.Query()).values
    printed = lab.nodes[name].run(["sysctl", "--all"], check=False).stdout
    theirs = {key.strip().replace(".", "/"): " ".join(value.split()) for key, _, value in _pairs(printed)}
    moving = {"net/netfilter/nf_conntrack_count"}
    assert ours["net/ipv4/ip_forward"] == "1"
    assert "net/ipv4/conf/cni0/rp_filter" in ours
    wanted = {key for key in theirs if any(fnmatch(key, pattern) for pattern in sysctls.WANTED)}
    assert {key: value for key, value in ours.items() if key not in moving} == {key: theirs[key] for key in wanted - moving}


@pytest.mark.parametrize("name", NODES)
def test_devices_are_those_that_ip_lists(lab: Lab, helpers: dict[str, Asked], name: str) -> None:
    ours = helpers[name].ask(devices.FACT, devices.Query()).devices
    listed = json.loads(lab.nodes[name].run(["ip", "-s", "-d", "-j", "address"]).stdout)
    theirs = {link["ifname"]: link for link in listed}
    assert [d.link.name for d in ours] == [link["ifname"] for link in sorted(listed, key=lambda link: link["ifindex"])]
    for device in ours:
        link = theirs[device.link.name]
        assert (device.link.mtu, device.link.state) == (link["mtu"], link["operstate"].lower())
        assert device.link.kind == link.get("linkinfo", {}).get("info_kind", "")
        assert list(device.link.flags) == link["flags"]
        assert device.addresses == tuple(f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"])
        dropped = (device.link.counters.rx_dropped, device.link.counters.tx_dropped)
        assert dropped == (link["stats64"]["rx"]["dropped"], link["stats64"]["tx"]["dropped"])


@pytest.mark.parametrize("name", NODES)
def test_counters_are_those_of_nstat(lab: Lab, helpers: dict[str, Asked], name: str) -> None:
    ours = helpers[name].ask(netstat.FACT, netstat.Query()).counters
    theirs = json.loads(lab.nodes[name].run(["nstat", "--zeros", "--noupdate", "--ignore", "--json"]).stdout)["kernel"]
    assert set(theirs) - set(ours) == set()
    assert {key: ours[key] for key in STILL} == {key: theirs[key] for key in STILL}


@pytest.mark.parametrize("name", NODES)
def test_neighbour_tables_are_those_of_ip_ntable(lab: Lab, helpers: dict[str, Asked], name: str) -> None:
    ours = {table.name: table for table in helpers[name].ask(neighbour_stats.FACT, neighbour_stats.Query()).tables}
    text = lab.nodes[name].run(["ip", "-s", "ntable", "show", "name", "arp_cache"]).stdout
    words = text.split()
    limits = tuple(int(words[words.index(f"thresh{n}") + 1]) for n in (1, 2, 3))
    assert ours["arp_cache"].thresholds == limits
    assert ours["arp_cache"].table_fulls is not None


@pytest.mark.parametrize("name", NODES)
def test_softnet_has_a_row_for_each_processor_that_is_online(helpers: dict[str, Asked], name: str) -> None:
    found = helpers[name].ask(softnet.FACT, softnet.Query()).cpus
    assert [cpu.index for cpu in found] == sorted(os.sched_getaffinity(0))
    assert all(cpu.processed > 0 for cpu in found)


@pytest.mark.parametrize(("name", "mode"), [("node-one", "iptables"), ("node-two", "nftables")])
def test_kube_proxy_is_seen_and_heard(lab: Lab, helpers: dict[str, Asked], name: str, mode: str) -> None:
    pod = next(pod for pod in lab.find_pods("kube-proxy") if pod.node == name)
    found = helpers[name].ask(kube_proxy.FACT, kube_proxy.Query((pod.spec.uid,)))
    assert [process.pid for process in found.processes] == [pod.container_pid]
    assert (found.health.status, found.mode.text) == (200, mode)
    times = {sample.name.rpartition("last_")[2]: sample.value for sample in found.samples}
    assert times["queued_timestamp_seconds"] <= times["timestamp_seconds"] <= found.now


def test_policies_are_those_of_the_tools(lab: Lab, helpers: dict[str, Asked]) -> None:
    saved = lab.nodes["node-one"].run(["iptables-nft-save", "-c", "-t", "filter"]).stdout
    policy = next(line.split()[1] for line in saved.splitlines() if line.startswith(":FORWARD "))
    found = helpers["node-one"].ask(forward_policy.FACT, forward_policy.Query()).chains
    (chain,) = (c for c in found if (c.family, c.table, c.name) == ("ip", "filter", "FORWARD"))
    assert chain.policy == policy
    assert all(c.backend == "nftables" for c in found)


@pytest.mark.parametrize("name", NODES)
def test_a_summary_has_what_the_single_facts_have(helpers: dict[str, Asked], name: str) -> None:
    found = helpers[name].ask(node_summary.FACT, node_summary.Query())
    alone = helpers[name].ask(sysctls.FACT, sysctls.Query(devices=False))
    moving = {"net/netfilter/nf_conntrack_count": ""}
    assert {**found.sysctls.values, **moving} == {**alone.values, **moving}
    assert {"eth0", "cni0", "lo"} <= {device.link.name for device in found.devices}


def test_looking_at_a_node_changes_nothing(lab: Lab, helpers: dict[str, Asked]) -> None:
    node = lab.nodes["node-two"]
    before = _state(node)
    for fact in (sysctls, netstat, softnet, neighbour_stats, devices, dataplane, kube_proxy, forward_policy, node_summary):
        helpers["node-two"].ask(fact.FACT, fact.Query())
    assert _state(node) == before


def test_legacy_policies_are_read_from_tables_that_exist_and_from_no_others() -> None:
    tools = packages.prepare(print)
    with namespace() as node, LinuxWhere(node) as kernel:
        assert forward_policy.collect(kernel, forward_policy.Query()).chains == ()
        assert kernel.read_in(node, "/proc/net/ip_tables_names") in (None, "")
        for words in ("iptables-legacy -P FORWARD DROP", "ip6tables-legacy -A FORWARD -j ACCEPT"):
            _in(tools, node, *words.split())
        found = forward_policy.collect(kernel, forward_policy.Query()).chains
        assert [(c.backend, c.family, c.policy) for c in found] == [
            ("iptables-legacy", "ip", "DROP"),
            ("iptables-legacy", "ip6", "ACCEPT"),
        ]


def test_programs_on_devices_are_found_by_place_and_name() -> None:
    tools = packages.prepare(print)
    with namespace() as node, LinuxWhere(node) as kernel:
        assert dataplane.collect(kernel, dataplane.Query()).programs == ()
        _in(tools, node, "tc", "qdisc", "add", "dev", "lo", "clsact")
        _in(tools, node, "tc", "filter", "add", "dev", "lo", "egress", "bpf", "da", "bytecode", "1,6 0 0 0,")
        number = netns.inside(node, _attach_to_tcx)
        found = dataplane.collect(kernel, dataplane.Query())
    assert [(p.place, p.at, p.name) for p in found.programs] == [("tc egress", "lo", ""), ("tcx ingress", "lo", "looks_on")]
    assert found.programs[1].id == number
    assert found.unseen == ()


def _attach_to_tcx() -> int:
    """Load a program that lets everything pass, and attach it to lo of this thread's namespace."""
    code = ctypes.create_string_buffer(RETURN_ZERO)
    license_ = ctypes.create_string_buffer(b"GPL")
    head = struct.pack(
        "=IIQQIIQII16s", SCHED_CLS, 2, ctypes.addressof(code), ctypes.addressof(license_), 0, 0, 0, 0, 0, b"looks_on"
    )
    program = _call(LOAD, _attributes(head))
    try:
        index = socket.if_nametoindex("lo")
        _call(ATTACH, _attributes(struct.pack("=IIII", index, program, TCX_INGRESS, 0)))
        (number,) = bpf.attached(index, TCX_INGRESS)
    finally:
        os.close(program)
    return number


def _in(tools: packages.Tools, where: Netns, *argv: str) -> None:
    subprocess.run(tools.argv(["nsenter", f"--net={where.path}", *argv]), check=True, capture_output=True)


def _pairs(text: str) -> Iterator[tuple[str, str, str]]:
    return (line.partition("=") for line in text.splitlines() if "=" in line)


def _state(node: Node) -> dict[str, str]:
    """What looking could have made: links, rules, tables, sysctls of the node; without counters."""
    asked = {
        "links": ["ip", "-o", "link"],
        "nft": ["nft", "--stateless", "list", "ruleset"],
        "legacy": ["sh", "-c", "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>&1"],
        "qdiscs": ["sh", "-c", "tc qdisc show 2>&1"],
        "files": ["sh", "-c", "find /etc /run/netcheck /var/lib 2>/dev/null | sort"],
    }
    return {what: node.run(argv, check=False).stdout for what, argv in asked.items()}
