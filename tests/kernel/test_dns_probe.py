"""On the real kernel: every way in which a DNS question can end is told apart."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack

import pytest

from node_helper.facts import connect, dns
from node_helper.kernel import Netns
from node_helper.linux import Linux, netns
from tests.kernel.dns_servers import NAME, answer, ask, tcp_server, udp_server
from tests.kernel.pod_and_node import DROPPED, FAR, FAR6, NOBODY, NOBODY6
from tests.throwaway import LinuxWhere

pytestmark = pytest.mark.live


@pytest.mark.parametrize("server", [FAR, FAR6])
def test_a_dns_answer_arrives_inside_the_namespace(kernel: Linux, pair: tuple[Netns, Netns], server: str) -> None:
    with udp_server(pair[1], server, lambda asked: [answer(asked)]) as port:
        found = ask(kernel, pair[0], port, server=server)
    assert (found.outcome, found.rcode, found.transport) == ("answered", "NOERROR", "udp")
    assert found.records == (dns.Record(f"{NAME}.", "A", 5, "10.96.1.2"),)


def test_answers_to_other_questions_are_not_heard(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    def serve(asked: bytes) -> list[bytes]:
        wrong_id = bytes([asked[0] ^ 1]) + answer(asked)[1:]
        wrong_name = answer(asked).replace(b"hello", b"jello")
        return [wrong_id, wrong_name, b"", b"\0", answer(asked, flags=0x0580), answer(asked, records=2)]

    with udp_server(pair[1], FAR, serve) as port:
        assert len(ask(kernel, pair[0], port).records) == 2


def test_answers_of_other_senders_are_not_heard(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    with netns.inside(pair[1], lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
        stranger.bind((FAR, 0))
        with udp_server(pair[1], FAR, lambda asked: [answer(asked)], through=stranger) as port:
            assert ask(kernel, pair[0], port, seconds=0.2).outcome == "timeout"


def test_a_truncated_answer_is_asked_for_over_tcp(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    def whole(asked: bytes) -> list[bytes]:
        said = answer(asked, records=200)
        framed = struct.pack("!H", len(said)) + said
        return [framed[:1], framed[1:50], framed[50:]]

    with ExitStack() as both:
        port = both.enter_context(udp_server(pair[1], FAR, lambda asked: [answer(asked, flags=0x8780, records=0)]))
        both.enter_context(tcp_server(pair[1], port, whole))
        found = ask(kernel, pair[0], port)
    assert (found.outcome, found.transport, found.truncated, len(found.records)) == ("answered", "tcp", False, 200)


@pytest.mark.parametrize("said", [[], [b"\x00"], [b"\xff\xff", b"half"]])
def test_a_server_that_hangs_up_over_tcp_is_not_called_a_closed_port(
    kernel: Linux, pair: tuple[Netns, Netns], said: list[bytes]
) -> None:
    with tcp_server(pair[1], 0, lambda _: said) as port:
        assert ask(kernel, pair[0], port, transport="tcp").outcome == "reset"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("server", "outcome"),
    [
        (FAR, "refused"),  # ICMP port unreachable; RST
        (FAR6, "refused"),
        (NOBODY, "unreachable"),  # nobody answers ARP
        (NOBODY6, "unreachable"),
        ("10.61.0.1", "unreachable"),  # blackhole
        ("10.62.0.1", "unreachable"),
        ("10.63.0.1", "unreachable"),  # prohibit
        ("192.0.2.1", "unreachable"),  # no route
        ("2001:db8::1", "unreachable"),
        (DROPPED, "timeout"),
    ],
)
def test_no_answer_is_called_by_its_reason(
    kernel: Linux, pair: tuple[Netns, Netns], server: str, outcome: str, transport: str
) -> None:
    seconds = 0.3 if outcome == "timeout" else 5.0
    found = ask(kernel, pair[0], 5353, server=server, transport=transport, seconds=seconds)
    assert (found.outcome, found.rcode, found.records) == (outcome, "", ())
    assert connect.collect(kernel, connect.Query(pair[0], server, 5353, seconds)).outcome == outcome


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_router_that_says_host_unreachable_is_heard(fresh: tuple[Netns, Netns], transport: str) -> None:
    with LinuxWhere(fresh[1]) as kernel:
        assert ask(kernel, fresh[0], 53, server="10.64.0.1", transport=transport, seconds=9.0).outcome == "unreachable"
