"""Routes of every shape and lookups that end nowhere, from rtnetlink."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from node_helper.linux.netlink import Malformed, Netlink
from node_helper.linux.rtnetlink import routes
from node_helper.records import NextHop, Route
from tests.conntrack_messages import attribute as attr
from tests.unit.pretend_netlink import END, ERROR, MULTI, PretendChannel
from tests.unit.rtnetlink_messages import NAMES, hop, route_body, u32


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
