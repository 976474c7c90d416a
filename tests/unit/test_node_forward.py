"""Rules of FORWARD are read for one thing: whether they surely accept what pods send and are sent."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.netfilter.records import Chain, Rule
from workers.checks._node_forward import Accepted, ways

ALL = ipaddress.ip_network("0.0.0.0/0")
PODS = ipaddress.ip_network("10.244.0.0/16")


def accepted(*specs: str, **chains: tuple[str, ...]) -> list[Accepted]:
    known = {name: Chain(name, tuple(map(Rule, rules))) for name, rules in {"FORWARD": specs, **chains}.items()}
    return list(ways(known, "FORWARD", ALL))


@pytest.mark.parametrize(
    ("spec", "way"),
    [
        ("-j ACCEPT", Accepted(ALL, ALL)),
        ("-s 10.244.0.0/16 -j ACCEPT", Accepted(PODS, ALL)),
        ('-d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT', Accepted(ALL, PODS)),
        ("-s 10.244.0.0/16 -i cni0 -j ACCEPT", Accepted(PODS, ALL, plain=False)),
        ("! -s 10.244.0.0/16 -j ACCEPT", Accepted(ALL, ALL, plain=False)),
        ('-m socket -m comment --comment "for somebody" -j ACCEPT', Accepted(ALL, ALL, plain=False)),
        ("-m mark --mark 0x10000/0x10000 -j ACCEPT", Accepted(ALL, ALL, plain=False)),
        ("-s nonsense -j ACCEPT", Accepted(ALL, ALL, plain=False)),
        ('-m comment --comment "open -j ACCEPT', Accepted(ALL, ALL, plain=False)),
    ],
)
def test_a_rule_accepts_surely_or_perhaps(spec: str, way: Accepted) -> None:
    assert accepted(spec) == [way]


@pytest.mark.parametrize(
    "spec",
    [
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-m mark --mark 0x4000/0x4000 -j ACCEPT",
        "-i docker0 ! -o docker0 -j ACCEPT",
        "-j DROP",
        "-m conntrack --ctstate INVALID -j DROP",
        "-j NOWHERE",
    ],
)
def test_a_rule_that_new_connections_of_pods_do_not_pass_accepts_nothing(spec: str) -> None:
    assert accepted(spec) == []


def test_what_is_asked_on_the_way_to_a_chain_counts_there_too() -> None:
    assert accepted("-s 10.244.0.0/16 -j FLANNEL-FWD", **{"FLANNEL-FWD": ("-j ACCEPT",)}) == [Accepted(PODS, ALL)]
    assert accepted("-i cni0 -j FLANNEL-FWD", **{"FLANNEL-FWD": ("-s 10.244.0.0/16 -j ACCEPT",)}) == [
        Accepted(PODS, ALL, plain=False)
    ]


def test_chains_in_a_circle_come_to_an_end() -> None:
    assert accepted("-j A", A=("-j FORWARD",)) == []


@given(st.lists(st.text(alphabet="-sdjgm! \"'\\ACEPT10./:xcomment", max_size=40), max_size=4))
def test_no_rule_breaks_the_reading(specs: list[str]) -> None:
    assert all(isinstance(way, Accepted) for way in accepted(*specs))
