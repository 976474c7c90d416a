"""The kernel's socket tables in text (Documentation/networking/proc_net_tcp.rst)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.linux.netlink import Malformed
from node_helper.linux.sockets import listening, opposite, parse
from node_helper.records import Socket

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 41 1 0000000000000000 100 0 0 10 0
   1: 0401F40A:A03C 0A00600A:0035 01 00000010:00000002 00:00000000 00000000  1000        0 42 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:A03D 0100007F:1F90 06 00000000:00000000 03:000017A4 00000000     0        0 0 3 0000000000000000
"""
UDP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  121: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 17 2 0000000000000000 37
  122: 000000FD000000000000000004000000:D431 000000FD00000000000000000A000000:0035 01 00000000:00000000 00:00000000 00000000     0        0 18 2 0000000000000000 0
"""  # noqa: E501  (as the kernel prints it)


def test_tcp_states_queues_and_addresses_are_read_as_ss_shows_them() -> None:
    assert list(parse("tcp", TCP)) == [
        Socket("tcp", "LISTEN", "0.0.0.0", 8080, "0.0.0.0", 0, 3, 0),
        Socket("tcp", "ESTAB", "10.244.1.4", 41020, "10.96.0.10", 53, 2, 16),
        Socket("tcp", "TIME-WAIT", "127.0.0.1", 41021, "127.0.0.1", 8080, 0, 0),
    ]


def test_udp_counts_drops_and_ipv6_is_in_words_of_the_machines_order() -> None:
    assert list(parse("udp6", UDP6)) == [
        Socket("udp6", "UNCONN", "::", 53, "::", 0, 0, 0, 37),
        Socket("udp6", "ESTAB", "fd00::4", 54321, "fd00::a", 53, 0, 0, 0),
    ]


def test_an_empty_table_has_no_sockets() -> None:
    assert list(parse("tcp", "")) == list(parse("tcp", TCP.splitlines()[0])) == []


def test_of_many_connections_only_the_first_is_read_where_listeners_are_meant() -> None:
    head, listener, connection, _ = TCP.splitlines()
    about_to_be_accepted = connection.replace(" 01 ", " 03 ")
    read: list[str] = []

    def table() -> Iterator[str]:
        for line in (head, listener, about_to_be_accepted, listener, *[connection] * 1000):
            read.append(line)
            yield line

    found = list(parse("tcp", "\n".join(listening(table()))))
    assert [one.state for one in found] == ["LISTEN", "SYN-RECV", "LISTEN", "ESTAB"]
    assert len(read) == 5


def test_listeners_of_an_empty_table_and_of_one_that_is_cut() -> None:
    assert list(listening(iter(()))) == [""]
    assert list(listening(iter(("head", "0: 00000000:1F90")))) == ["head", "0: 00000000:1F90"]


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        "0: 00000000:1F90 00000000:0000 0A",
        "0: 00000000:1F90 00000000:0000 FF 0:0",
        "0: 0:1 0:1 0A 0:0",
        "0: 00000000:XX 0:0 0A 0:0",
    ],
)
def test_a_line_that_is_no_socket_is_malformed(line: str) -> None:
    with pytest.raises(Malformed):
        list(parse("tcp", f"header\n{line}\n"))


@given(st.text(max_size=120), st.sampled_from(["tcp", "tcp6", "udp", "udp6"]))
def test_any_text_is_sockets_or_malformed(text: str, table: str) -> None:
    try:
        found = list(parse(table, f"header\n{text}"))
    except Malformed:
        return
    assert all(one.protocol == table for one in found)


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::", socket.AF_INET6)])
def test_the_other_end_of_a_connection_is_found_where_it_is_in_the_same_namespace(
    host: str, family: socket.AddressFamily
) -> None:
    dual = family == socket.AF_INET6
    with socket.create_server((host, 0), family=family, dualstack_ipv6=dual) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as talk:
            found = opposite(*talk.getsockname())
            assert found is not None
            assert (found.local, found.local_port, found.remote) == ("127.0.0.1", port, "127.0.0.1")
            assert opposite("192.0.2.1", talk.getsockname()[1]) is None
