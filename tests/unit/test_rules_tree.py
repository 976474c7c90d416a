"""Trees of rules: what catches a destination, and under it where that leads; and the names that people may ask for."""

from __future__ import annotations

import pytest

from node_helper.netfilter.records import Chain, Element, Map, Rule, Ruleset, Table
from tests.rule_samples import parsed, small
from workers.errors import UsageError
from workers.rules.names import RuleName
from workers.rules.tree import lines, of_chain


def _tree(ruleset: Ruleset, start: str = "") -> list[str]:
    return ["  " * one.depth + one.text for one in (of_chain(ruleset, start) if start else lines(ruleset))]


def test_a_chain_stands_under_the_first_rule_that_leads_to_it() -> None:
    name = "kube-proxy-1.36/node1.iptables-save-c.txt"
    assert _tree(parsed(name, small(name)[2]), "KUBE-EXT-AKPB56V6DIC5CJT2")[:4] == [
        "nat KUBE-EXT-AKPB56V6DIC5CJT2",
        "  -s 10.244.0.0/14 -j KUBE-SVC-AKPB56V6DIC5CJT2",
        "    ! -s 10.244.0.0/14 -d 10.106.92.166/32 -p tcp --dport 80 -j KUBE-MARK-MASQ",
        "      -j MARK --set-xmark 0x4000/0x4000",
    ]


def test_verdict_maps_are_resolved_where_they_know_the_destination() -> None:
    chains = (
        Chain("services", (Rule("ip daddr . meta l4proto . th dport vmap @service-ips"),)),
        Chain("firewall-check", (Rule("ip daddr . meta l4proto . th dport vmap @firewall-ips"),)),
        Chain("service-X", (Rule("meta l4proto tcp dnat to 10.244.1.4:8080"),)),
    )
    kind = "ipv4_addr . inet_proto . inet_service : verdict"
    maps = (Map("service-ips", kind, (Element("10.96.0.1 . tcp . 80", "goto service-X"),)), Map("firewall-ips", kind, ()))
    assert _tree(Ruleset("nftables", (Table("ip", "kube-proxy", chains, maps),), partial=True)) == [
        "kube-proxy services",
        "  ip daddr . meta l4proto . th dport vmap @service-ips",
        "    10.96.0.1 . tcp . 80 → service-X",
        "      meta l4proto tcp dnat to 10.244.1.4:8080",
    ]


def test_chains_in_a_circle_end() -> None:
    chains = (Chain("KUBE-SERVICES", (Rule("-j A"),)), Chain("A", (Rule("-j KUBE-SERVICES"), Rule("-j A"))))
    assert len(_tree(Ruleset("iptables-nft", (Table("ip", "nat", chains),)))) == 4


@pytest.mark.parametrize("text", ["a b", "", "x" * 129, "nat;reboot", "$(x)", "näme"])
def test_what_is_no_name_of_a_chain_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not the name of a table or chain"):
        RuleName.parse(text)


@pytest.mark.parametrize("text", ["KUBE-SVC-67NZLRHBNDSAWJRO", "service-ULMVA6XW-shop/web/tcp/http", "cali-FORWARD"])
def test_names_of_chains_are_kept(text: str) -> None:
    assert str(RuleName.parse(text)) == text
