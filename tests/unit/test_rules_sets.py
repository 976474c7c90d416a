"""Sets and maps of nftables that hold networks, ranges or all others: a rule that looks there counts, or it is not known."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.netfilter.records import Destination, Element
from tests.rule_samples import small
from workers.rules import part, saved_nft
from workers.rules.elements import Elements, holds
from workers.rules.resolve import Frontend, Path, Rules
from workers.rules.steps import Source, Unread

SAVED = small("kube-proxy-1.36/node2.nft.txt")[2]
DNS = Destination("10.96.0.10", 53, "udp")
ADDRESSES = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)


def paths(kind: str, types: str, elements: str, rule: str, to: Destination = DNS) -> list[Path]:
    """From the whole table, and from the part about the destination."""
    listed = f"\t{kind} blocked {{\n\t\ttype {types}\n\t\tflags interval\n\t\telements = {{ {elements} }}\n\t}}\n"
    text = SAVED.replace("table ip kube-proxy {\n", f"table ip kube-proxy {{\n{listed}", 1)
    whole = saved_nft.parse(text.replace("\tchain services {\n", f"\tchain services {{\n\t\tip daddr {rule}\n", 1))
    frontend = Frontend("ip", to.address, to.port, to.protocol)
    return [Rules(each).route(frontend).paths[Source.POD] for each in (whole, part.about(whole, "ip", (to,)))]


@pytest.mark.parametrize(
    ("elements", "outcome"),
    [
        ("10.96.0.10", "drop"),
        ("10.96.0.0/16", "drop"),
        ('192.0.2.1, 10.96.0.1-10.96.0.20 comment "ours"', "drop"),
        ("10.97.0.0/16, *", "drop"),
        ("10.97.0.0/16, 10.96.0.11-10.96.0.20, fd00::/8", "endpoints"),
        ("$ours", "unknown"),
        ("10.96.0.0/40", "unknown"),
        ("10.96.0.1-fd00::1", "unknown"),
    ],
)
def test_a_rule_about_a_set_of_networks_counts_for_the_addresses_in_them(elements: str, outcome: str) -> None:
    found = paths("set", "ipv4_addr", elements, "@blocked drop")
    assert [path.outcome for path in found] == [outcome] * 2


@pytest.mark.parametrize(
    ("elements", "outcome"),
    [
        ("10.96.0.0/16 . udp . 53 : drop", "drop"),
        ("10.96.0.10 . udp . 50-60 : drop", "drop"),
        ("10.96.0.10 . udp . 53 : accept, 10.96.0.0/16 . udp . 0-52 : drop", "nothing"),
        ("* : drop", "drop"),
        ("10.96.0.0/16 . udp . 54 : drop, 10.96.0.0/16 . tcp . 53 : drop", "endpoints"),
        ("10.96.0.0/16 . $udp . 53 : drop", "unknown"),
        ("10.96.0.0/16 : drop", "unknown"),
    ],
)
def test_a_map_of_networks_and_ranges_is_looked_up_as_the_kernel_does(elements: str, outcome: str) -> None:
    types = "ipv4_addr . inet_proto . inet_service : verdict"
    found = paths("map", types, elements, ". meta l4proto . th dport vmap @blocked")
    assert [path.outcome for path in found] == [outcome] * 2


@pytest.mark.parametrize(("elements", "outcome"), [("192.0.2.1", "endpoints"), ("10.0.0.0/8", "unknown"), ("*", "drop")])
def test_whether_a_network_holds_the_address_of_a_node_port_is_not_known(elements: str, outcome: str) -> None:
    found = paths("set", "ipv4_addr", elements, "@blocked drop", Destination("", 30489, "tcp"))
    assert [path.outcome for path in found] == [outcome] * 2


@pytest.mark.parametrize("rule", ["@gone drop", "!= @gone drop", ". meta l4proto . th dport vmap @gone"])
def test_of_a_set_that_was_not_read_nothing_is_known(rule: str) -> None:
    found = paths("set", "ipv4_addr", "192.0.2.1", rule)
    assert [(path.outcome, path.unread) for path in found] == [("unknown", ("set gone",))] * 2


@given(ADDRESSES, ADDRESSES, ADDRESSES)
def test_a_range_holds_what_lies_in_it_and_so_do_its_networks(
    low: ipaddress.IPv4Address, high: ipaddress.IPv4Address, asked: ipaddress.IPv4Address
) -> None:
    low, high = sorted((low, high))
    networks = Elements(Element(str(net)) for net in ipaddress.summarize_address_range(low, high))
    assert holds(f"{low}-{high}", str(asked)) is (low <= asked <= high)
    assert (networks.find(str(asked)) is not None) is (low <= asked <= high)


@given(st.lists(st.text()), st.sampled_from(["10.96.0.10", "10.96.0.10 . udp . 53", "fd00::1", ""]))
def test_elements_of_any_text_are_found_or_not_or_leave_doubt(keys: list[str], asked: str) -> None:
    found = Elements(map(Element, keys)).find(asked)
    assert found is None or isinstance(found, Element | Unread)
