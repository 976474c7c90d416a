"""IPVS's connection table is summed up by virtual server, destination and state, and joined with the servers of now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.facts import ipvs_connections
from node_helper.ipvs import Connection, RealServer, Table, Timeouts, Towards, Virtual, VirtualServer
from node_helper.linux.ipvs_connections import tally
from node_helper.linux.netlink import Malformed
from tests.pretend_kernel import PretendKernel

LINES = (
    "TCP 0A600001 9C40 0A600001 0050 0A010102 1F90 ESTABLISHED     889",
    "TCP 0A600001 9C42 0A600001 0050 0A010102 1F90 ESTABLISHED     899",
    "TCP 0A600001 9C44 0A600001 0050 0A010103 1F90 TIME_WAIT       100",
    "UDP 0A600001 BC22 0A60000A 0035 0A010102 14E9 UDP             299",
    "TCP fd00:0:0:0:0:0:0:0001 BB20 fd00:0:0:0:0:0:0:0001 0050 fd00:0001:0:0:0:0:0:0002 1F90 ESTABLISHED      60 sip abc",
)
WEB = Virtual("TCP", "10.96.0.1", 80)
WEB6 = Virtual("TCP", "fd00::1", 80)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


def server(address: str, port: int, *reals: tuple[str, int, int], protocol: str = "TCP", mark: int = 0) -> VirtualServer:
    known = tuple(RealServer(a, p, "Masq", w) for a, p, w in reals)
    return VirtualServer(6 if ":" in address else 4, protocol, address, port, "rr", mark=mark, real_servers=known)


def joined(*servers: VirtualServer, only: tuple[Virtual, ...] | None = None) -> list[tuple[str, str, int | None]]:
    kernel = PretendKernel(ipvs_table=Table("1.2.1", 4096, Timeouts(900, 120, 300), servers), ipvs_lines=LINES)
    seen = ipvs_connections.collect(kernel, ipvs_connections.Query(only))
    return [(d.towards.destination, d.towards.state, d.weight) for d in seen.destinations]


def lines(*wanted: str) -> list[bytes]:
    return [line.encode() for line in wanted]


def test_connections_are_summed_up_and_the_first_are_kept() -> None:
    seen = tally(lines(*LINES), most=1)
    assert seen.total == 5
    assert seen.towards[0] == Towards("TCP", "10.96.0.1", 80, "10.1.1.2", 8080, "ESTABLISHED", connections=2, longest=899)
    assert seen.towards[-1] == Towards("TCP", "fd00::1", 80, "fd00:1::2", 8080, "ESTABLISHED", connections=1, longest=60)
    assert seen.entries == (Connection("TCP", "10.96.0.1", 40000, "10.96.0.1", 80, "10.1.1.2", 8080, "ESTABLISHED", 889),)


def test_only_those_through_the_servers_asked_for_are_counted() -> None:
    assert tally(lines(*LINES), (WEB6,)).total == 1
    assert [t.virtual for t in tally(lines(*LINES), (WEB, WEB6)).towards] == ["10.96.0.1", "10.96.0.1", "fd00::1"]


def test_a_server_that_is_gone_has_no_weight() -> None:
    web = server("10.96.0.1", 80, ("10.1.1.3", 8080, 0))
    assert joined(web, only=(WEB,)) == [("10.1.1.2", "ESTABLISHED", None), ("10.1.1.3", "TIME_WAIT", 0)]
    assert [weight for *_, weight in joined()] == [None] * 4


def test_port_zero_stands_for_every_port_and_a_mark_for_every_server() -> None:
    assert joined(server("10.96.0.1", 0, ("10.1.1.2", 0, 5)), only=(WEB,))[0] == ("10.1.1.2", "ESTABLISHED", 5)
    assert joined(server("", 0, ("10.1.1.2", 0, 4), protocol="", mark=7), only=(WEB,))[0] == ("10.1.1.2", "ESTABLISHED", 4)


def test_without_ipvs_there_is_no_number_of_connections() -> None:
    assert ipvs_connections.collect(PretendKernel(), ipvs_connections.Query()).total is None


@given(ADDRESSES, st.integers(0, 65535), st.integers(0, 2**32 - 1))
def test_every_address_and_port_is_read_back(address: str, port: int, expires: int) -> None:
    import ipaddress

    known = ipaddress.ip_address(address)
    word = known.exploded if known.version == 6 else known.packed.hex().upper()
    made = f"SCTP {word} {port:04X} {word} {port:04X} {word} {port:04X} ESTABLISHED {expires}".encode()
    entry = tally([made], most=1).entries[0]
    assert ipaddress.ip_address(entry.source) == ipaddress.ip_address(entry.virtual) == known
    assert (entry.source_port, entry.destination_port, entry.expires) == (port, port, expires)


@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(LINES).map(str.encode))), st.booleans())
def test_a_line_that_is_no_connection_is_refused(made: list[bytes], narrowed: bool) -> None:  # noqa: FBT001  (drawn)
    try:
        seen = tally(made, (WEB,) if narrowed else None, most=3)
    except Malformed:
        return
    assert sum(t.connections for t in seen.towards) == seen.total <= len(made)


@pytest.mark.parametrize(
    "line", ["", "TCP 0A600001", f"TCP {'Z' * 8} 0 {'Z' * 8} 0 {'Z' * 8} 0 NONE 1", LINES[0].replace("1F90", "-1")]
)
def test_lines_that_are_cut_or_strange_are_refused(line: str) -> None:
    with pytest.raises(Malformed):
        tally(lines(line))
