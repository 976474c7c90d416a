"""Routes, neighbours, sockets, resolv.conf and raw text: what the facts leave out, put in order and refuse."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.dns.names import to_wire
from node_helper.facts import neighbours, raw, redirects, resolv_conf, routes, sockets
from node_helper.kernel import Netns
from node_helper.netfilter.records import FilterTable
from node_helper.protocol import CannotLook
from node_helper.records import Completed, Neighbour, NextHop, Route, Socket
from tests.pretend_kernel import PretendKernel

POD = Netns("/proc/144/ns/net", 4026532890)


def route(destination: str, kind: str, table: int) -> Route:
    return Route(2, destination, kind, table, (NextHop(None, "eth0"),))


def test_what_the_kernel_keeps_for_its_own_addresses_is_no_route_worth_telling() -> None:
    worth = (route("default", "unicast", 254), route("10.0.0.0/8", "local", 100), route("10.9.0.0/16", "unicast", 255))
    noise = tuple(route("10.0.0.1/32", kind, 255) for kind in ("local", "broadcast", "multicast", "anycast"))
    assert routes.collect(PretendKernel(route_table=(*noise, *worth)), routes.Query(POD)).routes == worth


def test_entries_that_need_no_resolution_are_no_neighbours() -> None:
    table = tuple(Neighbour("10.0.0.1", "eth0", None, state) for state in ("noarp", "none", "failed", "reachable"))
    found = neighbours.collect(PretendKernel(neighbour_table=table), neighbours.Query(POD)).neighbours
    assert [one.state for one in found] == ["failed", "reachable"]


def test_listening_sockets_come_first() -> None:
    table = (
        Socket("tcp", "ESTAB", "10.0.0.1", 40000, "10.0.0.2", 80, 0, 0),
        Socket("udp", "UNCONN", "0.0.0.0", 53, "0.0.0.0", 0, 0, 0),
        Socket("tcp", "LISTEN", "0.0.0.0", 8080, "0.0.0.0", 0, 0, 0),
        Socket("tcp", "TIME-WAIT", "10.0.0.1", 39999, "10.0.0.2", 80, 0, 0),
    )
    found = sockets.collect(PretendKernel(socket_table=table), sockets.Query(POD)).sockets
    assert [(one.state, one.local_port) for one in found] == [
        ("LISTEN", 8080),
        ("UNCONN", 53),
        ("TIME-WAIT", 39999),
        ("ESTAB", 40000),
    ]


def test_tables_in_which_no_rule_can_lead_elsewhere_are_no_redirects() -> None:
    led = (
        FilterTable("iptables-nft", "ip", "nat", rules=False, services=False),  # KubeVirt's chains have names of their own
        FilterTable("iptables-legacy", "ip6", "mangle", rules=True, services=False),
        FilterTable("nftables", "ip", "istio-proxy-nat", rules=True, services=False),
    )
    others = (
        FilterTable("iptables-nft", "ip", "filter", rules=True, services=False),
        FilterTable("iptables-legacy", "ip", "nat", rules=False, services=False),
    )
    found = redirects.collect(PretendKernel(filters=(*others, *led)), redirects.Query(POD))
    assert found.tables == ("iptables-nft ip nat", "iptables-legacy ip6 mangle", "nftables ip istio-proxy-nat")


RESOLV = """# made by the kubelet
; nameserver 192.0.2.1
search default.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
nameserver\tfd00::a
options ndots:5 single-request-reopen
options use-vc
sortlist 130.155.160.0/255.255.240.0
nameserver
"""


def test_resolv_conf_is_read_as_the_c_library_reads_it() -> None:
    found = resolv_conf.collect(PretendKernel(files={"/proc/144/root/etc/resolv.conf": RESOLV}), resolv_conf.Query(144))
    assert found.nameservers == ("10.96.0.10", "fd00::a")
    assert found.search == ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")
    assert found.options == ("ndots:5", "single-request-reopen", "use-vc")
    assert found.text == RESOLV


@pytest.mark.parametrize(
    ("text", "search"),
    [("search a b\nsearch c\n", ("c",)), ("domain a b\n", ("a",)), ("search a\ndomain b\n", ("b",)), (" search a\n", ())],
)
def test_the_last_search_or_domain_counts_and_a_directive_starts_its_line(text: str, search: tuple[str, ...]) -> None:
    assert resolv_conf.parse(text).search == search


def test_what_the_c_library_could_not_ask_is_not_asked_either() -> None:
    text = "".join(f"nameserver {s}\n" for s in ("dns.example", "10.0.0.1", "10.0.0.256", "fe80::1%eth0", "10.0.0.2", "10.0.0.3"))
    found = resolv_conf.parse(text + f"search a..b svc.{'x' * 64} caf\u00e9 shop.svc.example.\n")
    assert found.nameservers == ("10.0.0.1", "fe80::1%eth0", "10.0.0.2")
    assert found.search == ("shop.svc.example.",)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("10.1", "10.0.0.1"), ("010.0.0.1", "8.0.0.1"), ("0x7f.1", "127.0.0.1"), ("FD00::000A", "fd00::a"), ("10.0.0.1#53", None)],
)
def test_a_nameserver_is_the_address_that_the_c_library_takes_it_for(written: str, meant: str | None) -> None:
    assert resolv_conf.parse(f"nameserver {written}\n").nameservers == ((meant,) if meant else ())


def test_a_carriage_return_at_the_end_spoils_the_last_word_of_its_line() -> None:
    found = resolv_conf.parse("nameserver 10.96.0.10\r\nsearch a.example b.example\r\n")
    assert (found.nameservers, found.search) == ((), ("a.example",))


def test_a_process_without_the_file_is_said() -> None:
    with pytest.raises(CannotLook, match=r"sees no /etc/resolv\.conf") as said:
        resolv_conf.collect(PretendKernel(), resolv_conf.Query(144))
    assert said.value.kind == "missing"


DIRECTIVES = ("nameserver", "search", "domain", "options")
BLANKS = st.sampled_from([" ", "\t", "  ", " \t "])
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
NAMES = st.lists(st.sampled_from(["svc", "cluster", "local", "a", "x" * 63, "_tcp", "9-"]), min_size=1, max_size=3).map(".".join)
WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=9)


@st.composite
def directives(draw: st.DrawFn) -> tuple[str, str, tuple[str, ...]]:
    """A line, and what of it counts: a directive and its words, or nothing."""
    does = draw(
        st.sampled_from(["nameserver", "search", "domain", "options", "sortlist", "#", " nameserver", "\tsearch", "nameserver"])
    )
    kind = {"nameserver": ADDRESSES, "search": NAMES, "domain": NAMES}.get(does.strip(), WORDS)
    words = draw(st.lists(kind, max_size=4))
    line = does + "".join(draw(BLANKS) + word for word in words) + draw(st.sampled_from(["", " ", "\t"]))
    counts = does in DIRECTIVES and bool(words)
    return line, does if counts else "", tuple(words[:1] if does in ("nameserver", "domain") else words)


@given(st.lists(directives(), max_size=10), st.sampled_from(["", "\n"]))
def test_what_was_written_into_resolv_conf_is_what_counts(said: list[tuple[str, str, tuple[str, ...]]], end: str) -> None:
    text = "\n".join(line for line, _, _ in said) + end
    found = resolv_conf.parse(text)
    servers = [words[0] for _, does, words in said if does == "nameserver"]
    assert found.nameservers == tuple(servers[:3])
    assert found.search == next((words for _, does, words in reversed(said) if does in ("search", "domain")), ())
    assert found.options == tuple(word for _, does, words in said if does == "options" for word in words)
    assert found.text == text


VALUES = ("10.0.0.1", "fe80::1%eth0", "0x7f.1", "10.0.0.999", "a..b", "ndots:5", "%", "\u0661", ".")
PIECES = st.sampled_from([*DIRECTIVES, *VALUES, " ", "\t", "\n", "\r\n", "#", ";", "\0"])


@given(st.text(max_size=200) | st.lists(PIECES | st.text(max_size=5)).map("".join))
def test_any_text_is_a_resolv_conf(text: str) -> None:
    found = resolv_conf.parse(text)
    assert found.text == text
    assert all(ipaddress.ip_address(server) for server in found.nameservers)
    assert len(found.nameservers) <= 3
    assert all(to_wire(domain) for domain in found.search)
    assert all(word and not set(word) & set(" \t\n") for word in found.options)


@pytest.mark.parametrize(
    ("what", "argv"),
    [
        ("addr", "ip addr"),
        ("route", "ip route && ip -6 route"),
        ("neigh", "ip neigh"),
        ("sockets", "ss -tuna"),
    ],
)
def test_raw_is_what_the_reference_tool_says_inside(what: str, argv: str) -> None:
    kernel = PretendKernel(tools=lambda argv: Completed(0, f"<{' '.join(argv)}>\n", ""))
    found = raw.collect(kernel, raw.Query(POD, what))  # type: ignore[arg-type]  # each of the literals
    assert " ".join(found.argv) == argv
    assert found.text == "".join(f"<{one}>\n" for one in argv.split(" && "))
    assert kernel.asked == [f"{POD.path}: {one}" for one in argv.split(" && ")]


def test_text_that_was_too_much_is_said_to_be_cut() -> None:
    kernel = PretendKernel(tools=lambda argv: Completed(0, "x", "", cut="-6" not in argv))
    assert raw.collect(kernel, raw.Query(POD, "route")).cut
    assert not raw.collect(PretendKernel(tools=lambda _: Completed(0, "x", "")), raw.Query(POD, "route")).cut


def test_a_tool_that_fails_is_quoted() -> None:
    kernel = PretendKernel(tools=lambda _: Completed(2, "half", "Cannot open netlink socket\n"))
    with pytest.raises(CannotLook, match="status 2: Cannot open netlink socket"):
        raw.collect(kernel, raw.Query(POD, "addr"))


def test_a_node_without_the_tool_says_which() -> None:
    with pytest.raises(CannotLook, match="no ss"):
        raw.collect(PretendKernel(), raw.Query(POD, "sockets"))
