"""Rules of nftables that ask where a packet comes from, and are not kube-proxy's: whom they are about is not guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.netfilter.records import Chain, Rule, Ruleset, Table
from tests.rule_samples import small
from workers.rules import saved_iptables, saved_nft
from workers.rules.resolve import Frontend, Path, Rules
from workers.rules.steps import Source

NFT = small("kube-proxy-1.36/node2.nft.txt")[2]
IPTABLES = small("kube-proxy-1.36/node1.iptables-save.txt")[2]
DNS = Frontend("ip", "10.96.0.10", 53, "udp")


def paths(rule: str) -> dict[Source, Path]:
    """With the rule at the head of kube-proxy's services."""
    return Rules(saved_nft.parse(NFT.replace("\tchain services {\n", f"\tchain services {{\n\t\t{rule}\n", 1))).route(DNS).paths


@pytest.mark.parametrize(
    ("rule", "pod", "outside"),
    [
        ("ip saddr 203.0.113.0/24 drop", "unknown", "unknown"),
        ("ip saddr 203.0.113.7 reject", "unknown", "unknown"),
        ("ip saddr { 203.0.113.0/24, 198.51.100.0/24 } drop", "unknown", "unknown"),
        ("ip saddr 203.0.113.0/24 return", "unknown", "unknown"),
        ("ip saddr 203.0.113.0/24 jump service-endpoints-check", "endpoints", "endpoints"),
        ("ip saddr 203.0.113.0/24 jump nodeport-endpoints-check", "unknown", "unknown"),
        ("ip saddr != 203.0.113.0/24 drop", "unknown", "drop"),
        ("ip saddr 0.0.0.0/0 drop", "drop", "drop"),
        ("ip saddr 203.0.113.0/24 ip daddr 10.97.0.1 drop", "endpoints", "endpoints"),
        ("ip saddr 203.0.113.0/24 meta mark set meta mark | 0x00004000", "endpoints", "endpoints"),
    ],
)
def test_whom_a_rule_about_somebodys_network_refuses_is_not_guessed(rule: str, pod: str, outside: str) -> None:
    found = paths(rule)
    assert {source: found[source].outcome for source in Source} == {
        Source.POD: pod, Source.NODE: pod, Source.OUTSIDE: outside,
    }  # fmt: skip


@pytest.mark.parametrize(("source", "outcome"), [("203.0.113.0/24", "unknown"), ("0.0.0.0/0", "drop")])
def test_nor_of_a_rule_of_iptables(source: str, outcome: str) -> None:
    before, nat, rules = IPTABLES.partition("*nat\n")
    rules = rules.replace("-A KUBE-SERVICES ", f"-A KUBE-SERVICES -s {source} -j DROP\n-A KUBE-SERVICES ", 1)
    found = Rules(saved_iptables.parse(before + nat + rules, "ip")).route(DNS).paths
    assert {path.outcome for path in found.values()} == {outcome}


LISTED = st.lists(
    st.sampled_from(["10.0.0.0/8", "192.0.2.1-192.0.2.9", "fd00::/8", "@x", "$office", "999.1.1.1", "10.0.0.0/40", "-", "*",
                     ' comment "office, all"', " timeout 1h", ",", ", "]) | st.text(max_size=5)
)  # fmt: skip


@pytest.mark.parametrize(
    "listed",
    ['{ 10.0.0.0/8 comment "office", 1.2.3.4 }', "{ 1.2.3.0/24 timeout 1h }", "{ @x }", "{ $office }", "{  }", "!= 999.1.1.1",
     "!= 10.0.0.0/40", "{ 1.2.3.0/24, }", "{ - }", "!= { 10.0.0.0/8-10 }"],
)  # fmt: skip
def test_a_list_of_networks_as_nft_prints_it_or_does_not_leaves_doubt(listed: str) -> None:
    assert paths(f"ip saddr {listed} drop")[Source.POD].outcome == "unknown"


@given(LISTED, st.sampled_from(["", "!= "]), st.sampled_from(["{ %s }", "%s"]), st.sampled_from(["saddr", "daddr"]))
def test_any_text_as_networks_is_read_or_leaves_doubt(listed: list[str], negated: str, form: str, end: str) -> None:
    rule = f"ip {end} {negated}{form % ''.join(listed)} drop"
    table = Table("ip", "kube-proxy", (Chain("services", (Rule(rule),)), Chain("firewall-check", (Rule("jump firewall-X"),)),
                                       Chain("firewall-X", (Rule(rule),))))  # fmt: skip
    for path in Rules(Ruleset("nftables", (table,))).route(DNS).paths.values():
        assert path.outcome in ("nothing", "drop", "unknown")
