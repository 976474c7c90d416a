"""Messages of rtnetlink about devices, addresses and neighbours become records, and no bytes anything else but `Malformed`."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.linux import netlink
from node_helper.linux.netlink import Malformed
from node_helper.linux.rtnetlink import addresses, links, neighbours, nsids, routes
from node_helper.records import Address, Counters, Neighbour
from tests.conntrack_messages import attribute as attr
from tests.unit.rtnetlink_messages import NAMES, address_body, hop, link_body, route_body, u32


def test_a_veth_tells_its_peer_its_master_and_its_counters() -> None:
    found = links.decode(
        link_body(attr(1, b"\x02\x00\x00\x00\x00\x0b"), attr(5, u32(3)), attr(10, u32(5)), attr(37, struct.pack("=i", 7)))
    )
    assert (found.ifindex, found.name, found.kind, found.mtu, found.state) == (11, "veth4f7342d", "veth", 1450, "up")
    assert (found.link, found.link_netnsid, found.master, found.mac) == (3, 7, 5, "02:00:00:00:00:0b")
    assert found.flags == ("BROADCAST", "MULTICAST", "UP", "LOWER_UP")
    assert found.counters == Counters(1, 3, 5, 7, 2, 4, 6, 8)


def test_a_device_that_is_up_without_carrier_says_so_as_ip_does() -> None:
    assert links.decode(link_body(flags=0x1003)).flags == ("NO-CARRIER", "BROADCAST", "MULTICAST", "UP")


def test_a_peer_of_the_same_index_is_left_out_by_older_kernels_and_is_still_a_peer() -> None:
    found = links.decode(link_body(attr(37, struct.pack("=i", 0)), index=2))
    assert (found.link, found.link_netnsid) == (2, 0)


def test_a_device_without_a_pair_has_neither_link_nor_namespace() -> None:
    found = links.decode(link_body())
    assert (found.link, found.link_netnsid, found.master, found.mac) == (None, None, None, "")


def test_the_address_of_an_ip_tunnel_is_an_ip_address() -> None:
    assert links.decode(link_body(attr(1, bytes([10, 0, 0, 1])), hardware=768)).mac == "10.0.0.1"


@pytest.mark.parametrize("missing", [4, 23])
def test_a_device_without_what_every_kernel_says_is_malformed(missing: int) -> None:
    body = link_body()
    without = body[:16] + b"".join(attr(k, v) for k, v in netlink.attributes(body, 16).items() if k != missing)
    with pytest.raises(Malformed):
        links.decode(without)


@pytest.mark.parametrize(
    ("body", "record"),
    [
        (
            address_body(socket.AF_INET, attr(1, bytes([10, 0, 0, 2])), attr(2, bytes([10, 0, 0, 2]))),
            Address(2, "10.0.0.2/24", "global"),
        ),
        (
            address_body(socket.AF_INET, attr(1, bytes([10, 0, 0, 1])), attr(2, bytes([10, 0, 0, 2])), length=32),
            Address(2, "10.0.0.2/32", "global"),  # point to point: the first is the other end's
        ),
        (address_body(socket.AF_INET6, attr(1, bytes(15) + b"\x01"), length=128, scope=254), Address(2, "::1/128", "host")),
        (address_body(socket.AF_INET6, attr(1, b"\xfe\x80" + bytes(14)), length=64, scope=253), Address(2, "fe80::/64", "link")),
        (address_body(socket.AF_INET, attr(2, bytes(4)), scope=17), Address(2, "0.0.0.0/24", "17")),
    ],
)
def test_addresses_are_the_devices_own(body: bytes, record: Address) -> None:
    assert addresses.decode(body) == record


@pytest.mark.parametrize(
    ("state", "mac", "record"),
    [
        (2, attr(2, b"\x02\x00\x00\x00\x00\x05"), ("02:00:00:00:00:05", "reachable")),
        (32, b"", (None, "failed")),
        (0x40, b"", (None, "noarp")),
        (0, b"", (None, "none")),
    ],
)
def test_neighbours_with_and_without_an_address(state: int, mac: bytes, record: tuple[str | None, str]) -> None:
    body = struct.pack("=BxxxiHBB", socket.AF_INET, 2, state, 0, 1) + attr(1, bytes([10, 0, 0, 9])) + mac
    assert neighbours.decode(body, NAMES) == Neighbour("10.0.0.9", "eth0", *record)


@pytest.mark.parametrize(("wire", "known"), [(7, 7), (0, 0), (-1, None)])
def test_a_namespace_without_an_id_has_none(wire: int, known: int | None) -> None:
    assert nsids.decode(bytes(4) + attr(1, struct.pack("=i", wire))) == known


DECODERS: tuple[Callable[[bytes], Any], ...] = (
    links.decode,
    addresses.decode,
    lambda body: routes.decode(body, NAMES),
    lambda body: neighbours.decode(body, NAMES),
    nsids.decode,
    lambda body: list(netlink.messages(body)),
    netlink.attributes,
)
ATTRIBUTES = st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=80)), max_size=6)
GOOD = (link_body(attr(5, u32(3))), route_body(2, attr(9, hop(2, attr(5, bytes(4))))), address_body(2, attr(2, bytes(4))))


@given(st.binary(max_size=12), ATTRIBUTES, st.sampled_from([2, 10, 0, 28, 255]), st.binary(max_size=7))
def test_no_bytes_are_anything_but_a_record_or_malformed(
    head: bytes, attributes: list[tuple[int, bytes]], family: int, tail: bytes
) -> None:
    body = bytes([family]) + head.ljust(15, b"\0") + b"".join(attr(k, v) for k, v in attributes) + tail
    for hostile in (body, body[:12] + body[16:], body[:8] + body[16:], head + tail):
        for decode in DECODERS:
            try:
                decode(hostile)
            except Malformed:
                continue


@given(st.sampled_from(GOOD), st.integers(0, 400), st.integers(0, 255))
def test_a_flipped_byte_is_a_record_or_malformed(body: bytes, at: int, byte: int) -> None:
    changed = bytearray(body)
    changed[at % len(body)] = byte
    for decode in DECODERS:
        try:
            decode(bytes(changed))
        except Malformed:
            continue
