"""Who moves a node's packets: programs, kube-proxy and policies become records, hostile bytes become refusals."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.facts import dataplane, forward_policy, kube_proxy
from node_helper.linux import forward_chains, nfnetlink, programs
from node_helper.linux.netlink import Malformed, Netlink
from node_helper.linux.probes import http
from node_helper.linux.rtnetlink import classifiers
from node_helper.programs import Program, Programs
from node_helper.protocol import CannotLook
from node_helper.records import ForwardChain, Page
from tests.pretend_kernel import PretendKernel, process

UID = "0b6c2a7e-11aa-4c6b-9a3e-000000000001"
METRICS = """# HELP kubeproxy_sync_proxy_rules_last_timestamp_seconds [ALPHA] The last time proxy rules were successfully synced
# TYPE kubeproxy_sync_proxy_rules_last_timestamp_seconds gauge
kubeproxy_sync_proxy_rules_last_timestamp_seconds 1.7672255e+09
kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} 1.7672256e+09
kubeproxy_sync_proxy_rules_iptables_restore_failures_total 2
kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="0.001"} 0
process_start_time_seconds 1.7
"""
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3


def attr(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def answered(body: str, status: int = 200) -> Page:
    return Page("answered", 0.001, status, body)


def test_kube_proxy_is_found_by_its_pod_and_tells_its_mode_and_its_syncs() -> None:
    cgroup = f"/kubepods.slice/kubepods-besteffort-pod{UID.replace('-', '_')}.slice/cri-containerd-5a.scope"
    kernel = PretendKernel(
        process_table=(process(10, cgroup, 1, 5, "pause"), process(11, cgroup, 1, 6, "kube-proxy"), process(12, "/a", 1, 7)),
        files={"/proc/11/cmdline": "/usr/local/bin/kube-proxy\0--config=/var/lib/kube-proxy/config.conf\0"},
        pages={
            "127.0.0.1:10256/healthz": answered('{"lastUpdated": "now"}'),
            "127.0.0.1:10249/proxyMode": answered("iptables"),
            "127.0.0.1:10249/metrics": answered(METRICS),
        },
    )
    found = kube_proxy.collect(kernel, kube_proxy.Query((UID,)))
    argv = ("/usr/local/bin/kube-proxy", "--config=/var/lib/kube-proxy/config.conf")
    assert found.processes == (kube_proxy.Process(11, "kube-proxy", argv),)
    assert (found.health.status, found.mode.text) == (200, "iptables")
    assert found.samples == (
        kube_proxy.Sample("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "", 1767225500.0),
        kube_proxy.Sample("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", 'ip_family="IPv4"', 1767225600.0),
        kube_proxy.Sample("kubeproxy_sync_proxy_rules_iptables_restore_failures_total", "", 2.0),
    )


def test_a_node_without_kube_proxy_says_who_refused() -> None:
    kernel = PretendKernel()
    found = kube_proxy.collect(kernel, kube_proxy.Query())
    assert (found.processes, found.health, found.samples) == ((), kube_proxy.Said("refused"), ())
    assert "GET http://[::1]:10256/healthz" in " ".join(kernel.asked).replace("://::1:", "://[::1]:")


def test_a_silent_port_is_not_asked_again_for_more() -> None:
    kernel = PretendKernel(pages={"127.0.0.1:10249/proxyMode": Page("timeout", 1.0)})
    assert kube_proxy.collect(kernel, kube_proxy.Query()).mode == kube_proxy.Said("timeout")
    assert not [asked for asked in kernel.asked if "/metrics" in asked]


@pytest.mark.parametrize("uid", ["", "../1", "a b", "a" * 70])
def test_only_a_uid_is_looked_for(uid: str) -> None:
    with pytest.raises(ValueError, match="no UID"):
        kube_proxy.Query((uid,))


def test_a_metric_that_is_no_number_is_refused() -> None:
    text = "kubeproxy_sync_proxy_rules_last_timestamp_seconds nonsense"
    pages = {"127.0.0.1:10249/proxyMode": answered("iptables"), "127.0.0.1:10249/metrics": answered(text)}
    with pytest.raises(CannotLook, match="no number"):
        kube_proxy.collect(PretendKernel(pages=pages), kube_proxy.Query())


def test_programs_and_policies_are_told_as_they_are() -> None:
    seen = Programs((Program("tcx ingress", "eth0", 7, "cil_from_netdev"),), ("the root cgroup: refused",))
    assert dataplane.collect(PretendKernel(attached=seen), dataplane.Query()) == seen
    chain = ForwardChain("nftables", "ip", "filter", "FORWARD", 0, "DROP", 3, 252)
    assert forward_policy.collect(PretendKernel(forwarding=(chain,)), forward_policy.Query()).chains == (chain,)


def filter_body(kind: bytes, options: bytes) -> bytes:
    return struct.pack("=BxxxiIII", 0, 2, 1, INGRESS, 0) + attr(1, kind + b"\0") + attr(2, options)


def test_a_classifier_tells_its_program() -> None:
    body = filter_body(b"bpf", attr(7, b"bpf_lxc.o:[from-container]\0") + attr(11, u32(42)))
    assert classifiers.decode(body, INGRESS, "lxc1") == Program("tc ingress", "lxc1", 42, "bpf_lxc.o:[from-container]")
    assert classifiers.decode(filter_body(b"bpf", attr(7, b"old\0")), EGRESS, "eth0") == Program("tc egress", "eth0", 0, "old")


def test_a_classifier_of_another_kind_is_no_program() -> None:
    assert classifiers.decode(filter_body(b"u32", b""), INGRESS, "eth0") is None


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (attr(2, b"\x01") + attr(4, u32(9)) + attr(5, u32(9)), [Program("xdp (driver)", "eth0", 9, "")]),
        (
            attr(2, b"\x04") + attr(5, u32(9)) + attr(6, u32(8)),
            [Program("xdp (driver)", "eth0", 9, ""), Program("xdp (generic)", "eth0", 8, "")],
        ),
        (attr(2, b"\x01") + attr(4, u32(9)), [Program("xdp", "eth0", 9, "")]),
        (attr(2, b"\x00"), []),
    ],
)
def test_a_device_tells_its_xdp_programs(told: bytes, found: list[Program]) -> None:
    body = struct.pack("=BxHiII", 0, 1, 2, 0, 0) + attr(3, b"eth0\0") + attr(43, told)
    assert list(classifiers.xdp(body)) == found


@pytest.mark.parametrize(
    ("mounts", "where"),
    [
        ("25 30 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw", "/sys/fs/cgroup"),
        ("25 30 0:23 / /sys/fs/cgroup/pids rw - cgroup cgroup rw\n26 3 0:2 / /run/cg rw - cgroup2 none rw", "/run/cg"),
        ("25 30 0:23 / /sys/fs/cgroup/pids rw - cgroup cgroup rw", None),
        ("nonsense - cgroup2\n", None),
    ],
)
def test_the_root_cgroup_is_where_version_2_is_mounted(mounts: str, where: str | None) -> None:
    assert programs.root_cgroup(mounts) == where


def chain_body(family: int = 2, hook: int = 2, policy: int = 0, counters: bytes = b"", table: bytes = b"filter") -> bytes:
    inside = attr(1, struct.pack(">I", hook)) + attr(2, struct.pack(">i", -5))
    head = struct.pack("=BBH", family, 0, 0) + attr(1, table + b"\0") + attr(3, b"FORWARD\0") + attr(4, inside)
    return head + attr(5, struct.pack(">I", policy)) + (attr(8, counters) if counters else b"")


def test_a_chain_on_the_forward_hook_tells_policy_and_counters() -> None:
    counters = attr(1, struct.pack(">Q", 252)) + attr(2, struct.pack(">Q", 3))
    (found,) = forward_chains.decode(chain_body(counters=counters))
    assert found == ForwardChain("nftables", "ip", "filter", "FORWARD", -5, "DROP", 3, 252)
    (plain,) = forward_chains.decode(chain_body(family=1, policy=1))
    assert (plain.family, plain.policy, plain.packets) == ("inet", "ACCEPT", None)


class ManyTables(Netlink):
    """The chains of every table of IPv4; `dumps` counts how often all of them were asked for."""

    def __init__(self, *tables: bytes) -> None:
        self.tables = tables
        self.dumps = 0

    def dump(self, kind: int, body: bytes) -> list[bytes]:  # noqa: ARG002  (all are of one family)
        if kind == nfnetlink.kind(nfnetlink.NFTABLES, 1):
            return [struct.pack("=BBH", 2, 0, 0) + attr(1, name + b"\0") + attr(3, struct.pack(">I", 9)) for name in self.tables]
        self.dumps += 1
        return [chain_body(table=name) for name in self.tables]


def test_the_chains_of_many_small_tables_are_dumped_once() -> None:
    netlink = ManyTables(b"filter", b"mangle", b"raw", b"calico")
    assert [chain.table for chain in forward_chains._by_netlink(netlink)] == ["filter", "mangle", "raw", "calico"]
    assert netlink.dumps == 1


@pytest.mark.parametrize(
    "body", [chain_body(hook=1), chain_body(family=7), struct.pack("=BBH", 2, 0, 0) + attr(3, b"KUBE-SVC\0")]
)
def test_a_chain_elsewhere_says_nothing_about_forwarding(body: bytes) -> None:
    assert list(forward_chains.decode(body)) == []


def legacy_blob(family: str, verdict: int, underflow: int = 16) -> bytes:
    size, counters, target = {"ip": (112, 96, 88), "ip6": (168, 152, 140)}[family]
    blob = bytearray(underflow + size + 40)
    struct.pack_into("=H", blob, underflow + target, size)
    struct.pack_into("=QQ", blob, underflow + counters, 7, 588)
    struct.pack_into("=i", blob, underflow + size + 32, verdict)
    return bytes(blob)


@pytest.mark.parametrize("family", ["ip", "ip6"])
@pytest.mark.parametrize(("verdict", "policy"), [(-1, "DROP"), (-2, "ACCEPT")])
def test_the_end_of_a_legacy_chain_is_its_policy(family: str, verdict: int, policy: str) -> None:
    found = forward_chains.legacy_policy(family, legacy_blob(family, verdict), 16)
    assert found == ForwardChain("iptables-legacy", family, "filter", "FORWARD", 0, policy, 7, 588)


def test_a_legacy_chain_that_ends_in_a_jump_is_malformed() -> None:
    with pytest.raises(Malformed, match="policy"):
        forward_chains.legacy_policy("ip", legacy_blob("ip", 152), 16)


@pytest.mark.parametrize(
    ("modules", "built_in", "spoken"),
    [
        (None, "", True),
        ("nf_tables 1 2\n", "", True),
        ("", "kernel/net/netfilter/nf_tables.ko\n", True),
        ("x_tables 1\n", "", False),
    ],
)
def test_nftables_is_asked_only_where_that_loads_nothing(modules: str | None, built_in: str, *, spoken: bool) -> None:
    assert forward_chains.spoken(modules, built_in) is spoken


def test_an_answer_over_http_is_its_status_and_its_body() -> None:
    assert http.parse(b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\nno\xff") == (503, "no\\xff")


READERS: list[Callable[[bytes], object]] = [
    http.parse,
    lambda data: list(classifiers.xdp(data)),
    lambda data: classifiers.decode(data, INGRESS, "eth0"),
    lambda data: classifiers.decode(filter_body(b"bpf", data), INGRESS, "eth0"),
    lambda data: list(forward_chains.decode(data)),
    lambda data: list(forward_chains.decode(chain_body(counters=data))),
    lambda data: forward_chains.legacy_policy("ip", data, 0),
    lambda data: forward_chains.legacy_policy("ip6", data, 8),
]


@pytest.mark.parametrize("read", READERS)
@given(data=st.binary(max_size=300))
def test_no_bytes_become_anything_but_records_or_malformed(read: Callable[[bytes], object], data: bytes) -> None:
    with suppress(Malformed):
        read(data)


@given(st.text(max_size=300))
def test_no_page_becomes_anything_but_samples_or_a_refusal(text: str) -> None:
    body = f"kubeproxy_sync_proxy_rules_last_timestamp_seconds{text}\n{text}"
    pages = {"127.0.0.1:10249/proxyMode": answered(text), "127.0.0.1:10249/metrics": answered(body)}
    with suppress(CannotLook):
        kube_proxy.collect(PretendKernel(pages=pages), kube_proxy.Query())
