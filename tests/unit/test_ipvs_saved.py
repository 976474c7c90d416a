"""What ipvsadm printed or saved is read back as the servers it was printed from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.ipvs import RealServer, Table, Timeouts, VirtualServer
from workers.ipvs import listing
from workers.ipvs.errors import Malformed
from workers.ipvs.saved import parse

LISTING = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.96.0.1:80 rr
  -> 10.1.1.2:8080                Masq    1      2          3         
  -> 10.1.1.9:443                 Tunnel  7      0          0         
UDP  10.96.0.11:5060 sh persistent 60 mask 255.255.255.0 pe sip ops (sh-fallback,sh-port)
FWM  8 IPv6 dh persistent 300 mask 64
  -> [fd00:1::2]:0                Masq    1      0          0         
"""  # noqa: W291  (as printed)
SAVED = """-A -t 10.96.0.1:80 -s rr
-a -t 10.96.0.1:80 -r 10.1.1.2:8080 -m -w 1 -x 9 -y 4
-a -t 10.96.0.1:80 -r 10.1.1.9:443 -i -w 7 --tun-type gue --tun-port 6080 --tun-nocsum
-A -u 10.96.0.11:5060 -s sh -p 60 -M 255.255.255.0 --pe sip -o -b sh-fallback,sh-port
-A --sctp-service [fd00::1]:3868 -s mh
-A -f 8 -6 -s dh -p 300 -M 64
-a -f 8 -6 -r [fd00:1::2]:0 -m -w 1
"""
WEB = VirtualServer(
    4, "TCP", "10.96.0.1", 80, "rr",
    real_servers=(RealServer("10.1.1.2", 8080, "Masq", 1, 2, 3), RealServer("10.1.1.9", 443, "Tunnel", 7, 0, 0)),
)  # fmt: skip
PHONE = VirtualServer(
    4, "UDP", "10.96.0.11", 5060, "sh",
    flags=("sh-fallback", "sh-port"), ops=True, persistence=60, netmask="255.255.255.0", engine="sip",
)  # fmt: skip
MARKED = VirtualServer(
    6, "", "", 0, "dh", mark=8, persistence=300, netmask="64", real_servers=(RealServer("fd00:1::2", 0, "Masq", 1, 0, 0),)
)

ADDRESSES = {4: st.ip_addresses(v=4).map(str), 6: st.ip_addresses(v=6).filter(lambda a: a.packed[:10] != bytes(10)).map(str)}
COUNTS = st.integers(0, 2**32 - 1)
PORTS = st.integers(0, 65535)


@st.composite
def servers(draw: st.DrawFn) -> VirtualServer:
    family = draw(st.sampled_from((4, 6)))
    reals = st.builds(
        RealServer, ADDRESSES[family], PORTS, st.sampled_from(("Masq", "Route", "Tunnel", "Local")), COUNTS, COUNTS, COUNTS
    )
    server = VirtualServer(
        4 if family == 4 else 6,
        draw(st.sampled_from(("TCP", "UDP", "SCTP"))),
        draw(ADDRESSES[family]),
        draw(PORTS),
        draw(st.sampled_from(("rr", "wlc", "sh"))),
        ops=draw(st.booleans()),
        flags=draw(st.sampled_from(((), ("flag-1",), ("flag-1", "flag-3")))),
        real_servers=tuple(draw(st.lists(reals, max_size=3))),
    )
    if draw(st.booleans()):
        server = replace(server, protocol="", address="", port=0, mark=draw(st.integers(1, 2**32 - 1)))
    if draw(st.booleans()):
        mask = draw(st.sampled_from(("255.255.255.255", "255.255.0.0") if family == 4 else ("128", "64")))
        server = replace(server, persistence=draw(COUNTS), netmask=mask, engine=draw(st.sampled_from(("", "sip"))))
    return server


def test_a_listing_is_read() -> None:
    assert parse(LISTING) == (WEB, PHONE, MARKED)


def test_options_are_read() -> None:
    web = replace(
        WEB,
        real_servers=(
            RealServer("10.1.1.2", 8080, "Masq", 1, upper=9, lower=4),
            RealServer("10.1.1.9", 443, "Tunnel", 7, tunnel="gue"),
        ),
    )
    sctp = VirtualServer(6, "SCTP", "fd00::1", 3868, "mh")
    marked = replace(MARKED, real_servers=(RealServer("fd00:1::2", 0, "Masq", 1),))
    assert parse(SAVED) == (web, PHONE, sctp, marked)


def test_nothing_saved_is_no_server() -> None:
    assert parse("") == parse("\n") == parse("".join(LISTING.splitlines(keepends=True)[:3])) == ()


@given(st.lists(servers(), max_size=5, unique_by=lambda s: (s.family, s.protocol, s.address, s.port, s.mark)))
def test_what_we_print_is_read_back(made: list[VirtualServer]) -> None:
    text = listing.servers(Table("1.2.1", 4096, Timeouts(900, 120, 300), tuple(made)))
    assert {s: set(s.real_servers) for s in map(bare, parse(text))}.keys() == {bare(s) for s in made}
    again = Table("1.2.1", 4096, Timeouts(900, 120, 300), parse(text))
    assert listing.servers(again) == text


def bare(server: VirtualServer) -> VirtualServer:
    return replace(server, real_servers=())


PIECES = (*LISTING.split(" "), *SAVED.split(" "), "\n", "-A -t", "  -> ", "(", "999999999999", "10.1.1.1:65536", "-r")


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map(" ".join), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except Malformed:
        return
    assert all(server.scheduler or text.startswith("-") for server in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("TCP  web:http rr", "with -n"),
        ("TCP  10.96.0.1:80 rr wobbly", "'wobbly'"),
        ("TCP  10.96.0.1:80 rr persistent soon", "'soon'"),
        ("TCP  10.96.0.1:80 rr\nTCP  10.96.0.1:80 rr", "line 2: virtual server TCP 10.96.0.1:80 is there twice"),
        ("TCP  10.96.0.1:80 rr\n  -> [fd00::1]:80  Masq 1 0 0", "another family"),
        ("TCP  10.96.0.999:80 rr", "10.96.0.999"),
        ("TCP  10.96.0.1:65536 rr", "too large"),
        ("  -> 10.1.1.2:8080  Masq 1 0 0", "before every virtual server"),
        ("-a -t 10.96.0.1:80 -r 10.1.1.2:80 -m", "was not said before"),
        ("-A -t 10.96.0.1:80 -s", "no name where one belongs"),
        ("-A -s rr", "which virtual server"),
        ("-A -f 0 -s rr", "not 0"),
        ("-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -m", "which real server"),
        ("-D -t 10.96.0.1:80", "does not print"),
    ],
)
def test_what_ipvsadm_does_not_print_is_refused(text: str, said: str) -> None:
    with pytest.raises(Malformed, match=said.replace("(", r"\(")):
        parse(text)
