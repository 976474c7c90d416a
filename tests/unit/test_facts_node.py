"""A node's own files and tables become records; what the kernel does not tell stays untold, and garbage is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.facts import devices, neighbour_stats, netstat, softnet, sysctls
from node_helper.kernel import Netns
from node_helper.protocol import CannotLook
from node_helper.records import Address, NeighbourTable
from tests.pretend_kernel import NODE, PretendKernel, link

POD = Netns("/proc/144/ns/net", 4026532890)
NEW = "0007eef9 00000001 00000002 " + "00000000 " * 6 + "00000003 00000004 00000005 00000007 00000000 00000005"
OLD = "0000000a 00000000 00000000 " + "00000000 " * 6 + "00000000"
SNMP = "Ip: Forwarding FragFails\nIp: 1 3\nTcp: MaxConn\nTcp: -1\n"
NETSTAT = "TcpExt: ListenOverflows ListenDrops\nTcpExt: 4 5\n"


def test_sysctls_are_named_by_their_path_and_blanks_made_one() -> None:
    files = {
        "/proc/sys/net/ipv4/ip_forward": "1\n",
        "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "/proc/sys/net/ipv4/conf/eth0.100/rp_filter": "2\n",
        "/proc/sys/net/netfilter/nf_conntrack_max": "262144\n",
        "/proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024\n",
        "/proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
    }
    assert sysctls.collect(PretendKernel(files=files), sysctls.Query()).values == {
        "net/ipv4/ip_forward": "1",
        "net/ipv4/ip_local_port_range": "32768 60999",
        "net/ipv4/conf/eth0.100/rp_filter": "2",
        "net/netfilter/nf_conntrack_max": "262144",
        "net/ipv4/neigh/default/gc_thresh3": "1024",
    }


def test_settings_of_single_devices_can_be_left_out() -> None:
    files = {"/proc/sys/net/ipv4/ip_forward": "1\n", "/proc/sys/net/ipv4/conf/eth0/rp_filter": "1\n"}
    assert sysctls.collect(PretendKernel(files=files), sysctls.Query(devices=False)).values == {"net/ipv4/ip_forward": "1"}


def test_each_processor_tells_what_it_dropped() -> None:
    first, second = softnet.parse(f"{NEW}\n{OLD}\n").cpus
    assert first == softnet.Cpu(7, 0x7EEF9, 1, 2, 3, 4, 5)
    assert second == softnet.Cpu(1, 10, 0, 0, 0, None, None)


@pytest.mark.parametrize("text", ["1 2\n", "zz 0 0\n", "\n"])
def test_a_line_that_is_no_processor_is_refused(text: str) -> None:
    with pytest.raises(CannotLook, match="softnet_stat"):
        softnet.parse(text)


def test_counters_have_the_names_that_nstat_has_for_them() -> None:
    files = {"/proc/net/snmp": SNMP, "/proc/net/netstat": NETSTAT, "/proc/net/snmp6": "Ip6InReceives  \t7\n"}
    assert netstat.collect(PretendKernel(files=files), netstat.Query(POD)).counters == {
        "IpForwarding": 1, "IpFragFails": 3, "TcpMaxConn": -1, "TcpExtListenOverflows": 4, "TcpExtListenDrops": 5,
        "Ip6InReceives": 7,
    }  # fmt: skip


def test_a_kernel_without_ipv6_has_no_counters_of_it() -> None:
    files = {"/proc/net/snmp": SNMP, "/proc/net/netstat": NETSTAT}
    assert not [n for n in netstat.collect(PretendKernel(files=files), netstat.Query()).counters if n.startswith("Ip6")]


@pytest.mark.parametrize(
    "text", ["Ip: A B\nIp: 1\n", "Ip: A\nTcp: 1\n", "Ip A\nIp 1\n", "Ip: A\n", "Ip: A\nIp: x\n"]
)  # fmt: skip
def test_lines_that_are_no_pairs_are_refused(text: str) -> None:
    with pytest.raises(CannotLook, match="line of counters"):
        dict(netstat.pairs(text))


@pytest.mark.parametrize("fact", [softnet, netstat])
def test_a_node_without_these_files_is_not_called_idle(fact: object) -> None:
    with pytest.raises(CannotLook, match="does not exist"):
        fact.collect(PretendKernel(), fact.Query())  # type: ignore[attr-defined]  # both modules have them


@pytest.mark.parametrize("read", [lambda t: dict(netstat.pairs(t)), lambda t: dict(netstat.singles(t)), softnet.parse])
@given(text=st.text(alphabet="Ip: \n0123456789abcdefgx\t-", max_size=200))
def test_no_text_becomes_anything_but_counters_or_a_refusal(read: Callable[[str], object], text: str) -> None:
    with suppress(CannotLook):
        read(text)


@given(st.dictionaries(st.from_regex(r"\A[A-Z][A-Za-z0-9]{1,20}\Z"), st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=20))
def test_what_the_kernel_prints_is_read_back(counters: dict[str, int]) -> None:
    text = f"IpExt: {' '.join(counters)}\nIpExt: {' '.join(map(str, counters.values()))}\n"
    assert dict(netstat.pairs(text)) == {f"IpExt{name}": value for name, value in counters.items()}
    assert dict(netstat.singles("".join(f"{n} \t{v}\n" for n, v in counters.items()))) == counters


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=15), max_size=8))
def test_every_width_of_the_softnet_table_is_read(rows: list[list[int]]) -> None:
    text = "".join(" ".join(f"{n:08x}" for n in row) + "\n" for row in rows)
    assert [(c.processed, c.dropped, c.squeezed) for c in softnet.parse(text).cpus] == [tuple(row[:3]) for row in rows]


def test_devices_carry_their_addresses() -> None:
    kernel = PretendKernel(
        devices={NODE.inode: (link(1, "lo"), link(2, "eth0"))},
        address_table={NODE.inode: (Address(2, "10.199.0.11/24", "global"), Address(2, "fd00::11/64", "global"))},
    )
    found = devices.collect(kernel, devices.Query()).devices
    assert [(d.link.name, d.addresses) for d in found] == [("lo", ()), ("eth0", ("10.199.0.11/24", "fd00::11/64"))]


def test_neighbour_tables_are_told_as_they_are() -> None:
    table = NeighbourTable("arp_cache", 3, (128, 512, 1024), 0, 7)
    assert neighbour_stats.collect(PretendKernel(neighbour_sizes=(table,)), neighbour_stats.Query()).tables == (table,)
