"""How full the kernel's neighbour tables are, from rtnetlink."""

from __future__ import annotations

import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.linux.netlink import Malformed, Netlink
from node_helper.linux.rtnetlink import neighbour_tables
from node_helper.records import NeighbourTable
from tests.conntrack_messages import attribute as attr
from tests.unit.pretend_netlink import END, MULTI, PretendChannel
from tests.unit.rtnetlink_messages import table_body


@pytest.mark.parametrize(("fulls", "told"), [(struct.pack("=Q", 9), 9), (b"", None)])
def test_a_neighbour_table_tells_how_full_it_is(fulls: bytes, told: int | None) -> None:
    assert neighbour_tables.decode(table_body(fulls=fulls)) == NeighbourTable("arp_cache", 2, (128, 512, 1024), 10, told)


@pytest.mark.parametrize(("release", "exempt"), [("6.1.0-25-amd64", 2), ("5.0.0", 2), ("4.19.0-27-amd64", 0), ("", 0)])
def test_entries_that_are_never_collected_do_not_fill_a_table(release: str, exempt: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(state: int, flags: int, family: int = socket.AF_INET) -> bytes:
        return struct.pack("=BxxxiHBB", family, 2, state, flags, 1) + attr(1, bytes(4))

    entries = [entry(0x80, 0), entry(0x02, 0x10), entry(0x04, 0), entry(0x40, 0), entry(0x80, 0, socket.AF_INET6)]
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "n", release, "v", "x86_64")))
    channel = PretendChannel([(64, MULTI, table_body(limit=2)), END], [*((28, MULTI, each) for each in entries), END])
    (table,) = neighbour_tables.read(Netlink(channel))
    assert (table.entries, table.thresholds[-1], table.exempt) == (2, 2, exempt)
    with_room = PretendChannel([(64, MULTI, table_body()), END])  # where nothing more is asked
    assert neighbour_tables.read(Netlink(with_room))[0].exempt == 0


def test_what_one_device_has_of_its_own_is_no_neighbour_table() -> None:
    assert neighbour_tables.decode(struct.pack("=Bxxx", 2) + attr(1, b"arp_cache\0") + attr(6, b"")) is None


@given(st.binary(max_size=64))
def test_no_bytes_become_anything_but_a_neighbour_table_or_malformed(more: bytes) -> None:
    for body in (more, table_body(more), table_body(fulls=more)):
        try:
            neighbour_tables.decode(body)
        except Malformed:
            continue
