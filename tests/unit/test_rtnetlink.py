"""rtnetlink messages become records, and no bytes become anything but records or `Malformed`."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.linux import netlink
from node_helper.linux.netlink import Malformed, Netlink
from node_helper.linux.rtnetlink import addresses, links, neighbour_tables, neighbours, nsids, routes
from node_helper.protocol import CannotLook
from node_helper.records import Address, Counters, Neighbour, NeighbourTable, NextHop, Route

NAMES = {1: "lo", 2: "eth0", 3: "eth1"}
MULTI, INTERRUPTED = 0x2, 0x10
NEWLINK, ERROR, DONE = 16, 2, 3


def attr(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def link_body(*more: bytes, index: int = 11, flags: int = 0x11043, hardware: int = 1) -> bytes:
    head = struct.pack("=BxHiII", 0, hardware, index, flags, 0)
    counters = struct.pack("=8Q", 1, 2, 3, 4, 5, 6, 7, 8) + bytes(8 * 17)
    kind = attr(1, b"veth\0")
    return head + b"".join(
        (attr(3, b"veth4f7342d\0"), attr(4, u32(1450)), attr(16, b"\x06"), attr(23, counters), attr(18, kind), *more)
    )


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


def address_body(family: int, *attributes: bytes, length: int = 24, scope: int = 0) -> bytes:
    return struct.pack("=BBBBI", family, length, 0, scope, 2) + b"".join(attributes)


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


def route_body(family: int, *attributes: bytes, kind: int = 1, length: int = 0, flags: int = 0, table: int = 254) -> bytes:
    return struct.pack("=BBBBBBBBI", family, length, 0, 0, table, 2, 253, kind, flags) + b"".join(attributes)


def hop(device: int, *attributes: bytes, flags: int = 0, weight: int = 1) -> bytes:
    inside = b"".join(attributes)
    return struct.pack("=HBBi", 8 + len(inside), flags, weight - 1, device) + inside


@pytest.mark.parametrize(
    ("body", "record"),
    [
        (
            route_body(
                socket.AF_INET, attr(5, bytes([10, 0, 0, 1])), attr(4, u32(2)), attr(6, u32(100)), attr(7, bytes([10, 0, 0, 2]))
            ),
            Route(2, "default", "unicast", 254, (NextHop("10.0.0.1", "eth0"),), "10.0.0.2", 100, "kernel", "link"),
        ),
        (
            route_body(socket.AF_INET6, attr(1, b"\xfd" + bytes(15)), attr(4, u32(9)), length=64, flags=16),
            Route(10, "fd00::/64", "unicast", 254, (NextHop(None, "if9", flags=("linkdown",)),), None, None, "kernel", "link"),
        ),
        (
            route_body(socket.AF_INET, attr(30, u32(5))),
            Route(2, "default", "unicast", 254, (NextHop(None, None, flags=("nhid 5",)),), None, None, "kernel", "link"),
        ),
        (
            route_body(socket.AF_INET, attr(1, bytes([10, 9, 0, 0])), kind=6, length=16),
            Route(2, "10.9.0.0/16", "blackhole", 254, (), None, None, "kernel", "link"),
        ),
        (
            struct.pack("=BBBBBBBBI", socket.AF_INET6, 0, 0, 0x10, 254, 99, 0, 1, 0) + attr(4, u32(2)) + attr(20, b"\3"),
            Route(10, "default", "unicast", 254, (NextHop(None, "eth0"),), None, None, "openr", "global", None, 0x10, "low"),
        ),
        (
            route_body(socket.AF_INET, attr(15, u32(1000)), attr(8, attr(2, u32(1400))), attr(4, u32(2)), table=252),
            Route(2, "default", "unicast", 1000, (NextHop(None, "eth0"),), None, None, "kernel", "link", 1400),
        ),
        (
            route_body(
                socket.AF_INET,
                attr(9, hop(2, attr(5, bytes([10, 0, 0, 1])), weight=3) + hop(3, attr(5, bytes([10, 1, 0, 1])), flags=1)),
            ),
            Route(
                2,
                "default",
                "unicast",
                254,
                (NextHop("10.0.0.1", "eth0", 3), NextHop("10.1.0.1", "eth1", 1, ("dead",))),
                None,
                None,
                "kernel",
                "link",
            ),
        ),
        (
            route_body(socket.AF_INET, attr(18, struct.pack("=H", socket.AF_INET6) + b"\xfe\x80" + bytes(14)), attr(4, u32(2))),
            Route(2, "default", "unicast", 254, (NextHop("fe80::", "eth0"),), None, None, "kernel", "link"),
        ),
        (
            route_body(
                socket.AF_INET,
                attr(9, hop(2, attr(18, struct.pack("=H", socket.AF_INET6) + b"\xfe\x80" + bytes(14)))),
            ),
            Route(2, "default", "unicast", 254, (NextHop("fe80::", "eth0"),), None, None, "kernel", "link"),
        ),
    ],
)
def test_routes_of_every_shape(body: bytes, record: Route) -> None:
    assert routes.decode(body, NAMES) == record


@pytest.mark.parametrize(
    "body",
    [
        route_body(socket.AF_INET, kind=99),
        route_body(socket.AF_INET, length=24),
        route_body(socket.AF_INET, attr(5, bytes(16))),
        route_body(socket.AF_INET, attr(9, b"\x00\x00\x00\x00\x02\x00\x00\x00")),
        route_body(socket.AF_INET, attr(9, hop(2)[:-1])),
        route_body(socket.AF_INET, attr(9, struct.pack("=HBBi", 400, 0, 0, 2))),
        route_body(socket.AF_INET, attr(18, b"\x02")),
        b"\x02",
    ],
)
def test_a_route_that_cannot_be_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        routes.decode(body, NAMES)


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


class PretendChannel:
    """A kernel that answers each request with the next of its scripts; the sequence number is the request's."""

    def __init__(self, *answers: Iterable[tuple[int, int, bytes]], sender: int = 0, error: int = 0) -> None:
        self.answers = list(answers)
        self.sequence = 0
        self.sender = sender
        self.error = error
        self.asked: list[bytes] = []

    def send(self, data: bytes, /) -> int:
        self.sequence = struct.unpack_from("=I", data, 8)[0]
        self.asked.append(data)
        self.waiting = list(self.answers.pop(0))
        return len(data)

    def recvmsg(self, size: int, /) -> tuple[bytes, list[Any], int, Any]:
        assert size
        if self.error:
            self.error, code = 0, self.error
            raise OSError(code, "no")
        kind, flags, body = self.waiting.pop(0)
        message = struct.pack("=IHHII", 16 + len(body), kind, flags, self.sequence, 0) + body
        return message + bytes(-len(message) % 4), [], 0, (self.sender, 0)

    def close(self) -> None:
        self.asked.append(b"closed")


END = (DONE, MULTI, struct.pack("=i", 0))


def test_a_dump_is_every_body_until_its_end() -> None:
    channel = PretendChannel([(NEWLINK, MULTI, b"aaaa"), (1, MULTI, b""), (NEWLINK, MULTI, b"bbbb"), END])
    assert Netlink(channel).dump(18, b"body") == [b"aaaa", b"bbbb"]
    assert channel.asked == [struct.pack("=IHHII", 20, 18, 0x301, 1, 0) + b"body"]


def test_a_dump_during_which_the_table_changed_is_read_again() -> None:
    half = [(NEWLINK, MULTI | INTERRUPTED, b"old!"), END]
    whole = [(NEWLINK, MULTI, b"new!"), END]
    assert Netlink(PretendChannel(half, half, whole)).dump(18, b"") == [b"new!"]


def test_a_dump_that_is_interrupted_only_in_its_last_message_is_read_again_too() -> None:
    half = [(NEWLINK, MULTI, b"old!"), (DONE, MULTI | INTERRUPTED, bytes(4))]
    assert Netlink(PretendChannel(half, [(NEWLINK, MULTI, b"new!"), END])).dump(18, b"") == [b"new!"]


def test_a_table_that_never_holds_still_is_not_shown_half() -> None:
    with pytest.raises(CannotLook, match="changed during each"):
        Netlink(PretendChannel(*([(NEWLINK, MULTI | INTERRUPTED, b"old!"), END] for _ in range(5)))).dump(18, b"")


def test_a_lost_answer_is_asked_for_again() -> None:
    whole = [(NEWLINK, MULTI, b"new!"), END]
    assert Netlink(PretendChannel(whole, whole, error=errno.ENOBUFS)).dump(18, b"") == [b"new!"]


@pytest.mark.parametrize("kind", [ERROR, DONE])
def test_an_error_of_the_kernel_is_raised_wherever_it_stands(kind: int) -> None:
    with pytest.raises(PermissionError):
        Netlink(PretendChannel([(kind, MULTI, struct.pack("=i", -errno.EPERM))])).dump(18, b"")


def test_a_single_answer_is_asked_for_without_an_acknowledgement() -> None:
    channel = PretendChannel([(1, 0, b""), (NEWLINK, 0, b"body")])
    assert Netlink(channel).get(90, b"") == b"body"
    assert channel.asked == [struct.pack("=IHHII", 16, 90, 0x1, 1, 0)]


def test_a_single_question_that_the_kernel_refuses_is_an_error() -> None:
    with pytest.raises(PermissionError):
        Netlink(PretendChannel([(ERROR, 0, struct.pack("=i", -errno.EPERM))])).get(90, b"")


def test_what_another_process_sends_is_not_heard() -> None:
    channel = PretendChannel([END])
    forged = channel.recvmsg

    def both(size: int, /) -> tuple[bytes, list[Any], int, Any]:
        if channel.sender == 0:
            channel.sender = 4711
            return struct.pack("=IHHII", 20, NEWLINK, MULTI, 1, 0) + b"evil", [], 0, (4711, 0)
        channel.sender = 0
        return forged(size)

    channel.sender, channel.recvmsg = 0, both  # type: ignore[method-assign]  # the kernel's queue, with a guest in it
    assert Netlink(channel).dump(18, b"") == []


def test_an_answer_to_an_earlier_question_is_skipped() -> None:
    channel = PretendChannel([END])
    true = channel.recvmsg
    late = [struct.pack("=IHHII", 20, NEWLINK, MULTI, 99, 0) + b"late"]
    channel.recvmsg = lambda size, /: (late.pop(), [], 0, (0, 0)) if late else true(size)  # type: ignore[method-assign]
    assert Netlink(channel).dump(18, b"") == []


def test_a_truncated_datagram_is_malformed() -> None:
    channel = PretendChannel([END])
    channel.recvmsg = lambda _, /: (b"", [], socket.MSG_TRUNC, (0, 0))  # type: ignore[method-assign]
    with pytest.raises(Malformed):
        Netlink(channel).dump(18, b"")


def test_a_family_that_the_kernel_has_not_does_not_repeat_another() -> None:
    default = route_body(socket.AF_INET, attr(4, u32(2)))
    both = [[(24, MULTI, default), END], [(24, MULTI, default), END]]
    assert len(routes.read(Netlink(PretendChannel(*both)), NAMES)) == 1


def test_cached_routes_are_not_routes() -> None:
    cached = route_body(socket.AF_INET6, attr(4, u32(2)), flags=0x200)
    assert routes.read(Netlink(PretendChannel([END], [(24, MULTI, cached), END])), NAMES) == ()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENETUNREACH, "unreachable"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.EACCES, "prohibit"),
        (errno.EINVAL, "blackhole"),
    ],
)
def test_a_lookup_that_ends_nowhere_says_how(code: int, kind: str) -> None:
    channel = PretendChannel([(ERROR, 0, struct.pack("=i", -code))])
    assert routes.lookup(Netlink(channel), "10.0.0.9") == Route(2, "10.0.0.9/32", kind, 0, ())


def test_a_lookup_that_fails_for_another_reason_is_no_route_to_nowhere() -> None:
    with pytest.raises(PermissionError):
        routes.lookup(Netlink(PretendChannel([(ERROR, 0, struct.pack("=i", -errno.EPERM))])), "::1")


def table_body(*more: bytes, fulls: bytes = struct.pack("=Q", 9), limit: int = 1024) -> bytes:
    config = struct.pack("=HHI6I", 4, 336, 2, 0, 0, 0, 0, 0, 0)
    stats = struct.pack("=10Q", *range(1, 11)) + fulls
    limits = b"".join(attr(kind, u32(value)) for kind, value in ((2, 128), (3, 512), (4, limit)))
    return (
        struct.pack("=Bxxx", socket.AF_INET)
        + attr(1, b"arp_cache\0")
        + limits
        + attr(5, config)
        + attr(7, stats)
        + b"".join(more)
    )


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
