"""IPVS's netlink answers become records; what is not one is refused."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.facts import ipvs
from node_helper.ipvs import RealServer, Table, Timeouts, Traffic, Virtual, VirtualServer
from node_helper.linux.ipvs import table, virtual_server
from node_helper.linux.netlink import Malformed, attribute
from node_helper.protocol import CannotLook
from node_helper.records import Completed
from tests.pretend_kernel import PretendKernel

SERVICE: dict[int, bytes] = {
    1: struct.pack("=H", 2),
    2: struct.pack("=H", 6),
    3: bytes([10, 96, 0, 1]) + bytes(12),
    4: struct.pack(">H", 80),
    6: b"sh\0",
    7: struct.pack("=II", 0x1 | 0x4 | 0x8 | 0x20, 0xFFFFFFFF),
    8: struct.pack("=I", 300),
    9: bytes([255, 255, 255, 0]),
    12: b"".join(attribute(kind, struct.pack("=Q", kind)) for kind in range(1, 11)),
}
DESTINATION: dict[int, bytes] = {
    1: bytes([10, 1, 1, 2]) + bytes(12),
    2: struct.pack(">H", 8080),
    3: struct.pack("=I", 2),
    4: struct.pack("=i", 7),
    5: struct.pack("=I", 100),
    6: struct.pack("=I", 50),
    7: struct.pack("=I", 1),
    8: struct.pack("=I", 2),
    9: struct.pack("=I", 3),
    10: b"".join(
        attribute(kind, struct.pack(form, kind)) for kind, form in ((1, "=I"), (2, "=I"), (3, "=I"), (4, "=Q"), (5, "=Q"))
    ),
    11: struct.pack("=H", 2),
    13: b"\1",
}
TABLE = Table("1.2.1", 4096, Timeouts(900, 120, 300), ())


def body(destination: Mapping[int, bytes]) -> bytes:
    return bytes(4) + attribute(2, b"".join(attribute(kind, value) for kind, value in destination.items()))


def test_a_server_has_all_that_the_kernel_tells() -> None:
    assert virtual_server(SERVICE, [body(DESTINATION)]) == VirtualServer(
        4, "TCP", "10.96.0.1", 80, "sh",
        flags=("sh-fallback", "flag-3"), ops=True, persistence=300, netmask="255.255.255.0", traffic=Traffic(1, 2, 3, 4, 5),
        real_servers=(RealServer("10.1.1.2", 8080, "Tunnel", 7, 1, 2, 3, 100, 50, "gue", Traffic(1, 2, 3, 4, 5)),),
    )  # fmt: skip


def test_a_mark_has_no_address() -> None:
    marked = {**SERVICE, 5: struct.pack("=I", 7), 1: struct.pack("=H", 10), 9: struct.pack("=I", 64)}
    seen = virtual_server(marked, [])
    assert (seen.mark, seen.family, seen.protocol, seen.address, seen.port, seen.netmask) == (7, 6, "", "", 0, "64")


def test_another_protocol_keeps_its_number() -> None:
    assert virtual_server({**SERVICE, 2: struct.pack("=H", 51)}, []).protocol == "51"


@given(st.dictionaries(st.integers(0, 15), st.binary(max_size=40)), st.binary(max_size=80))
def test_whatever_does_not_fit_is_malformed(changes: dict[int, bytes], tail: bytes) -> None:
    try:
        seen = virtual_server({**SERVICE, **changes}, [body({**DESTINATION, **changes}), tail])
    except Malformed:
        return
    assert len(seen.real_servers) == 2


def told(numbers: Mapping[int, int]) -> bytes:
    return bytes(4) + b"".join(attribute(kind, struct.pack("=I", value)) for kind, value in numbers.items())


@given(st.tuples(*[st.integers(0, 255)] * 3), st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4), st.binary(max_size=40))
def test_the_version_the_size_and_the_timeouts_are_those_of_their_attributes(
    version: tuple[int, int, int], numbers: list[int], more: bytes
) -> None:
    info = told({1: version[0] << 16 | version[1] << 8 | version[2], 2: numbers[0], 9: 7}) + attribute(8, more)
    config = told({6: numbers[3], 4: numbers[1], 5: numbers[2]})
    assert table(info, config, ()) == Table(".".join(map(str, version)), numbers[0], Timeouts(*numbers[1:]), ())


@given(st.data())
def test_what_is_no_version_size_or_timeout_is_malformed(data: st.DataObject) -> None:
    said = [told({1: 0x010201, 2: 4096}), told({4: 900, 5: 120, 6: 300})]
    which, size = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 27))
    whole = said[which]
    said[which] = whole[: min(size, len(whole) - 1)]
    with pytest.raises(Malformed):
        table(said[0], said[1], ())
    at = data.draw(st.integers(0, len(whole)))
    said[which] = whole[:at] + data.draw(st.binary(max_size=6)) + whole[at + data.draw(st.integers(0, 6)) :]
    with contextlib.suppress(Malformed):
        table(said[0], said[1], ())


@pytest.mark.parametrize("lacking", [1, 3, 4, 7, 8, 9])
def test_a_server_that_lacks_something_is_malformed(lacking: int) -> None:
    with pytest.raises(Malformed):
        virtual_server({kind: value for kind, value in SERVICE.items() if kind != lacking}, [])


def test_a_node_without_ipvs_says_why_it_thinks_so_and_starts_no_tool() -> None:
    kernel = PretendKernel(files={"/proc/sys/kernel/osrelease": "5.4.0\n"})
    seen = ipvs.collect(kernel, ipvs.Query(listing=True))
    assert seen == ipvs.Ipvs(None, ("generic netlink has no family IPVS", "/proc/net/ip_vs does not exist"), "5.4.0", {})
    assert not any("ipvsadm" in asked for asked in kernel.asked)


def test_settings_are_those_that_this_kernel_has() -> None:
    kernel = PretendKernel(ipvs_table=TABLE, files={"/proc/sys/net/ipv4/vs/conn_reuse_mode": "0\n"})
    assert ipvs.collect(kernel, ipvs.Query()).settings == {"conn_reuse_mode": "0"}


def test_the_tools_own_words_are_kept_where_there_is_the_tool() -> None:
    assert ipvs.collect(PretendKernel(ipvs_table=TABLE), ipvs.Query(listing=True)).listing is None
    kernel = PretendKernel(ipvs_table=TABLE, tools=lambda _: Completed(0, "IP Virtual Server\n", "", cut=True))
    seen = ipvs.collect(kernel, ipvs.Query(listing=True))
    assert (seen.listing, seen.listing_cut) == ("IP Virtual Server\n", True)
    failing = PretendKernel(ipvs_table=TABLE, tools=lambda _: Completed(2, "", "Permission denied"))
    with pytest.raises(CannotLook, match="Permission denied"):
        ipvs.collect(failing, ipvs.Query(listing=True))


def test_a_virtual_server_is_asked_for_by_an_address_and_a_port() -> None:
    with pytest.raises(ValueError, match="web"):
        Virtual("TCP", "web", 80)
    with pytest.raises(ValueError, match="65536"):
        Virtual("UDP", "::1", 65536)
