"""The probing facts ask once, ask again where they must, and call each ending by its name."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from node_helper.facts import connect, dns, dns_pair, ping
from node_helper.kernel import Netns
from node_helper.records import Datagram, Reply
from tests.pretend_kernel import PretendKernel

POD = Netns("/proc/144/ns/net", 4026532890)
QUERY = dns.Query(POD, "10.96.0.10", "hello-world.default.svc.cluster.local")


def answering(request: Datagram, *, flags: int = 0x8580, records: int = 1) -> Reply:
    header = request.payload[:2] + struct.pack("!5H", flags, 1, records, 0, 0)
    address = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + bytes([10, 96, 1, 2])
    question = request.payload[12:-11] if has_edns(request) else request.payload[12:]
    return Reply("answered", 0.002, header + question + address * records, request.server)


def has_edns(request: Datagram) -> bool:
    return request.payload[10:12] == b"\0\1"


def asked(serve: Callable[[Datagram], Reply], query: dns.Query = QUERY) -> tuple[dns.DnsAnswer, list[Datagram]]:
    requests: list[Datagram] = []

    def remember(request: Datagram) -> Reply:
        requests.append(request)
        return serve(request)

    return dns.collect(PretendKernel(dns=remember), query), requests


def test_an_answer_is_told_with_its_records() -> None:
    found, requests = asked(answering)
    assert found == dns.DnsAnswer(
        "answered",
        0.002,
        "NOERROR",
        truncated=False,
        authoritative=True,
        recurses=True,
        records=(dns.Record("hello-world.default.svc.cluster.local.", "A", 5, "10.96.1.2"),),
        size=71,
        transport="udp",
    )
    assert [(r.server, r.port, r.transport, r.seconds) for r in requests] == [("10.96.0.10", 53, "udp", 2.0)]


def test_ids_are_not_the_same_twice_in_a_row() -> None:
    assert len({asked(answering)[1][0].payload[:2] for _ in range(20)}) > 1


@pytest.mark.parametrize("outcome", ["timeout", "refused", "unreachable"])
def test_no_answer_is_called_by_the_way_in_which_it_did_not_come(outcome: str) -> None:
    found, requests = asked(lambda _: Reply(outcome, 2.0))
    assert (found.outcome, found.seconds, found.rcode, len(requests)) == (outcome, 2.0, "", 1)


def test_a_server_that_hangs_up_is_not_called_a_closed_port() -> None:
    assert asked(lambda _: Reply("reset", 0.1))[0].outcome == "reset"


def test_without_edns_neither_the_question_nor_the_one_over_tcp_has_it() -> None:
    _, requests = asked(
        lambda r: answering(r) if r.transport == "tcp" else answering(r, flags=0x8780, records=0), replace(QUERY, edns=False)
    )
    assert [(r.transport, has_edns(r)) for r in requests] == [("udp", False), ("tcp", False)]


def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    found, requests = asked(lambda r: answering(r, records=3) if r.transport == "tcp" else answering(r, flags=0x8780, records=0))
    assert [r.transport for r in requests] == ["udp", "tcp"]
    assert requests[0].payload[2:] == requests[1].payload[2:]  # all but the id, which is by chance
    assert (found.transport, found.truncated, len(found.records), found.seconds) == ("tcp", False, 3, 0.004)


def test_a_truncated_answer_without_tcp_keeps_its_code_and_tells_how_tcp_ended() -> None:
    found, _ = asked(lambda r: Reply("timeout", 2.0) if r.transport == "tcp" else answering(r, flags=0x8780, records=0))
    assert (found.outcome, found.transport, found.truncated, found.rcode) == ("timeout", "tcp", True, "NOERROR")


@pytest.mark.parametrize("says", [1, 4])
def test_a_server_from_before_edns_is_asked_without_it(says: int) -> None:
    found, requests = asked(lambda r: answering(r, flags=0x8580 | (says if has_edns(r) else 0), records=0 if has_edns(r) else 1))
    assert [has_edns(r) for r in requests] == [True, False]
    assert (found.rcode, found.edns, len(found.records), found.seconds) == ("NOERROR", None, 1, 0.004)


def test_a_server_from_before_edns_whose_answer_is_truncated_is_asked_without_it_over_tcp() -> None:
    def serve(request: Datagram) -> Reply:
        if has_edns(request):
            return answering(request, flags=0x8581, records=0)
        return answering(request, flags=0x8580 if request.transport == "tcp" else 0x8780, records=1)

    found, requests = asked(serve)
    assert [(r.transport, has_edns(r)) for r in requests] == [("udp", True), ("udp", False), ("tcp", False)]
    assert (found.transport, found.truncated, len(found.records)) == ("tcp", False, 1)


def test_a_server_that_knows_edns_and_finds_the_question_wrong_is_not_asked_again() -> None:
    opt = b"\0" + struct.pack("!HHIH", 41, 4096, 0, 0)

    def serve(request: Datagram) -> Reply:
        said = answering(request, flags=0x8581, records=0).payload
        return Reply("answered", 0.001, said[:10] + b"\0\1" + said[12:] + opt, request.server)

    found, requests = asked(serve)
    assert (found.rcode, found.edns, len(requests)) == ("FORMERR", 4096, 1)


def pair(serve: Callable[[Datagram], Reply], files: dict[str, str] | None = None) -> dns_pair.DnsPair:
    kernel = PretendKernel(dns=serve, files=files or {})
    found = dns_pair.collect(kernel, dns_pair.Query(POD, "10.96.0.10", "a.example"))
    assert "2 from one socket" in kernel.asked
    return found


def test_a_and_aaaa_are_asked_together_and_told_apart() -> None:
    requests: list[Datagram] = []

    def serve(request: Datagram) -> Reply:
        requests.append(request)
        return answering(request) if request.payload[-15:-13] == b"\0\1" else Reply("timeout", 2.0)

    found = pair(serve)
    assert (found.a.outcome, found.aaaa.outcome, found.insert_failed, found.drop) == ("answered", "timeout", None, None)
    first, second = (r.payload for r in requests)
    assert first[:2] != second[:2]
    assert (first[2:-15], first[-13:]) == (second[2:-15], second[-13:])


def test_what_conntrack_lost_meanwhile_is_told_with_the_pair() -> None:
    names = "entries insert_failed drop\n"
    stat = "/proc/net/stat/nf_conntrack"
    sysctl = "/proc/sys/net/netfilter/nf_conntrack_"
    files = {f"{sysctl}max": "100\n", f"{sysctl}count": "1\n", "/proc/modules": "", stat: f"{names}1 5 a\n1 1 0\n"}

    def serve(request: Datagram) -> Reply:
        files[stat] = f"{names}1 6 a\n1 1 1\n"
        return answering(request)

    found = pair(serve, files)
    assert (found.insert_failed, found.drop) == (1, 1)


def test_a_truncated_answer_over_tcp_is_not_asked_for_for_ever() -> None:
    query = dns.Query(POD, "10.96.0.10", "a.example", transport="tcp")
    found, requests = asked(lambda r: answering(r, flags=0x8780, records=0), query)
    assert (found.truncated, len(requests)) == (True, 1)


@pytest.mark.parametrize("break_it", [lambda p: p[:-1], lambda p: b"\0\0" + p[2:], lambda _: b""])
def test_an_answer_that_cannot_be_read_is_malformed(break_it: Callable[[bytes], bytes]) -> None:
    def serve(request: Datagram) -> Reply:
        asked_id = b"\x01\x01" + request.payload[2:]
        return Reply("answered", 0.1, break_it(answering(Datagram("", 53, "udp", asked_id, 1)).payload))

    assert asked(serve)[0].outcome == "malformed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "kube-dns"},
        {"name": "a..b"},
        {"type": "BANANA"},
        {"transport": "carrier-pigeon"},
        {"seconds": 0},
        {"seconds": 31},
        {"port": 0},
        {"server": "10.96.0.10; rm -rf /"},
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(wrong: dict[str, object]) -> None:
    fields = {"netns": POD, "server": "10.96.0.10", "name": "a.example", **wrong}
    with pytest.raises(ValueError, match=r"\S"):
        dns.Query(**fields)  # type: ignore[arg-type]  # that is the point


def test_ping_tells_each_reply_and_waits_between_them() -> None:
    replies = [
        Reply("answered", 0.001, sender="10.244.2.3"),
        Reply("timeout", 1.0),
        Reply("unreachable", 0.1, sender="10.244.1.1"),
    ]
    kernel = PretendKernel(echoes=replies)
    rows = list(ping.rows(kernel, ping.Query(POD, "10.244.2.3")))
    assert rows == [
        ping.Echo(1, "answered", 0.001, "10.244.2.3"),
        ping.Echo(2, "timeout", 1.0),
        ping.Echo(3, "unreachable", 0.1, "10.244.1.1"),
    ]
    echo = f"{POD.path}: echo 10.244.2.3"
    assert kernel.asked == [f"{echo} 1 1", "pause 0.2", f"{echo} 2 1", "pause 0.2", f"{echo} 3 1"]


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 101}, {"interval": 0.0}, {"seconds": 11}, {"address": "hello"}, {"seconds": float("nan")}]
)
def test_a_flood_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        ping.Query(**{"netns": POD, "address": "10.0.0.1", **wrong})  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("outcome", ["answered", "timeout", "refused", "unreachable", "reset"])
def test_a_handshake_is_told_as_it_ended(outcome: str) -> None:
    found = connect.collect(PretendKernel(handshake=Reply(outcome, 0.3)), connect.Query(POD, "fd00::1", 443))
    assert found == connect.Connected(outcome, 0.3)


@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 65536}, {"seconds": 0}, {"address": "db"}])
def test_a_handshake_with_nobody_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        connect.Query(**{"netns": POD, "address": "10.0.0.1", "port": 80, **wrong})  # type: ignore[arg-type]  # that is the point
