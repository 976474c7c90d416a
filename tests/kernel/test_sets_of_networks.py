"""Sets of nftables that hold networks, ranges or all others, loaded with nft: whatever reads them says whom they hold."""

from __future__ import annotations

import pytest

from node_helper.facts import all_rules, service_rules
from node_helper.netfilter.records import Destination
from tests.rule_samples import small
from tests.rules_loaded import Loaded
from workers.rules import saved_nft
from workers.rules.resolve import Frontend, Rules
from workers.rules.steps import Source

pytestmark = pytest.mark.live
DNS = Destination("10.96.0.10", 53, "udp")
SETS = (
    ("flags interval;", "10.96.0.10", "drop"),
    ("flags interval;", "10.96.0.0/16", "drop"),
    ("flags interval;", "10.96.0.1-10.96.0.20", "drop"),
    ("flags interval;", "10.96.0.0/29, 10.96.0.11-10.96.0.20", "endpoints"),
    ("flags interval;", "10.97.0.0/16, *", "drop"),
    ("", "10.96.0.10, 10.97.0.1", "drop"),
    ("", "10.97.0.1", "endpoints"),
    ("", "10.97.0.1, *", "drop"),
)


@pytest.fixture
def proxied(loaded: Loaded) -> Loaded:
    """With the rules of a kube-proxy."""
    loaded.load("nft", small("kube-proxy-1.36/node2.nft.txt")[2])
    return loaded


def _outcomes(loaded: Loaded) -> list[str]:
    """From the whole table, the part about one service, and what nft lists."""
    found = [
        all_rules.collect(loaded.kernel, all_rules.Query("nftables", "ip")),
        service_rules.collect(loaded.kernel, service_rules.Query("nftables", "ip", (DNS,))),
        saved_nft.parse(loaded.run("nft", "list", "ruleset")),
    ]
    frontend = Frontend("ip", DNS.address, DNS.port, DNS.protocol)
    return [Rules(each).route(frontend).paths[Source.POD].outcome for each in found]


@pytest.mark.parametrize(("flags", "elements", "outcome"), SETS)
def test_a_set_holds_what_the_kernel_finds_in_it(proxied: Loaded, flags: str, elements: str, outcome: str) -> None:
    proxied.load("nft", f"table ip kube-proxy {{ set blocked {{ type ipv4_addr; {flags} elements = {{ {elements} }}; }}; }}")
    proxied.run("nft", "insert", "rule", "ip", "kube-proxy", "services", "ip", "daddr", "@blocked", "drop")
    assert _outcomes(proxied) == [outcome] * 3


def test_a_map_of_networks_that_a_node_cannot_decode_leaves_doubt(proxied: Loaded) -> None:
    blocked = "map blocked { type ipv4_addr : verdict; flags interval; elements = { 10.96.0.0/16 : drop }; }"
    proxied.load("nft", f"table ip kube-proxy {{ {blocked}; }}")
    proxied.run("nft", "insert", "rule", "ip", "kube-proxy", "services", "ip", "daddr", "vmap", "@blocked")
    found = service_rules.collect(proxied.kernel, service_rules.Query("nftables", "ip", (DNS,)))
    listed = saved_nft.parse(proxied.run("nft", "list", "ruleset"))
    frontend = Frontend("ip", DNS.address, DNS.port, DNS.protocol)
    paths = [Rules(each).route(frontend).paths[Source.POD] for each in (found, listed)]
    assert [(path.outcome, path.unread) for path in paths] == [("unknown", ("set blocked",)), ("drop", ())]
