"""Rules text from anywhere: it is read rightly or refused, and a rule that is not understood is never taken for a simpler one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.netfilter.records import Chain, Destination, Map, Rule, Ruleset, Table
from tests.hostile_json import changed
from tests.rule_samples import small
from workers.rules import part, read_iptables, read_nft, saved_iptables, saved_nft, saved_nft_json, tree
from workers.rules.errors import Malformed
from workers.rules.resolve import Frontend, Rules
from workers.rules.steps import Source

PARSERS: tuple[tuple[str, Callable[[str], Ruleset]], ...] = (
    ("kube-proxy-1.36/node1.iptables-save.txt", lambda text: saved_iptables.parse(text, "ip")),
    ("kube-proxy-1.36/node1.iptables-save-c.txt", lambda text: saved_iptables.parse(text, "ip")),
    ("kube-proxy-1.36/node1.ip6tables-save.txt", lambda text: saved_iptables.parse(text, "ip6")),
    ("kube-proxy-1.36/node3.iptables-legacy-save.txt", lambda text: saved_iptables.parse(text, "ip")),
    ("kube-proxy-1.36/node2.nft.txt", saved_nft.parse),
    ("kube-proxy-1.36/node2.nft.json", saved_nft_json.parse),
)
NAMES = ["iptables", "counted", "ip6tables", "legacy", "nft", "json"]
FRONTEND = Frontend("ip", "10.96.0.80", 80, "tcp")
RULES = st.sampled_from(
    ["-j KUBE-SVC-{}", "-g KUBE-SVC-{}", "-m statistic --mode random --probability 0.5 -j KUBE-SVC-{}", "-s 10.0.0.{} -j RETURN",
     "-p tcp -j DNAT --to-destination 10.0.0.{}:80", "-j KUBE-GONE-{}", "-j ACCEPT",
     "-m recent --rcheck --seconds {} -j KUBE-SVC-1"]
)  # fmt: skip
WORDS = st.lists(
    st.sampled_from(
        ["-m", "-j", "-g", "!", "-s", "-d", "-p", "tcp", "comment", "statistic", "--probability", "0.5", "--mode", "random",
         "--dport", "80", "DNAT", "--to-destination", "10.0.0.1:80", "KUBE-SVC-A", "recent", "--rcheck", '"', "\\", "10.0.0.0/8"]
    ) | st.text(max_size=6)
)  # fmt: skip


@pytest.mark.parametrize("parse", [PARSERS[0][1], saved_nft.parse, saved_nft_json.parse], ids=["iptables", "nft", "json"])
@given(st.text())
def test_any_text_is_read_or_refused(parse: Callable[[str], Ruleset], text: str) -> None:
    with contextlib.suppress(Malformed):
        parse(text)


@pytest.mark.parametrize(("sample", "parse"), PARSERS, ids=NAMES)
@given(st.data())
def test_a_recording_with_a_piece_changed_is_read_or_refused(
    sample: str, parse: Callable[[str], Ruleset], data: st.DataObject
) -> None:
    text = small(sample)[2]
    start = data.draw(st.integers(0, len(text)))
    end = start + data.draw(st.integers(0, 40))
    try:
        rules = Rules(parse(text[:start] + data.draw(st.text(max_size=8)) + text[end:]))
    except Malformed:
        return
    _answers(rules)


@given(st.data())
def test_the_json_of_nft_with_anything_in_any_place_is_read_or_refused(data: st.DataObject) -> None:
    said = changed(data, json.loads(small("kube-proxy-1.36/node2.nft.json")[2]))
    with contextlib.suppress(Malformed):
        _answers(Rules(saved_nft_json.parse(json.dumps(said))))


@given(st.lists(st.lists(st.tuples(RULES, st.integers(0, 9)), max_size=4), min_size=1, max_size=10))
def test_chains_that_lead_anywhere_are_walked_to_an_end(rules: list[list[tuple[str, int]]]) -> None:
    """Circles and chains that are met again and again included."""
    chains = tuple(Chain(f"KUBE-SVC-{n}", tuple(Rule(rule.format(to)) for rule, to in said)) for n, said in enumerate(rules))
    table = Table("ip", "nat", (Chain("KUBE-SERVICES", (Rule("-j KUBE-SVC-0"),)), *chains))
    whole = Ruleset("iptables-nft", (table,))
    _answers(Rules(whole))
    tree.lines(part.about(whole, "ip", (Destination("10.111.199.230", 80, "tcp"),)))


def test_chains_that_double_at_each_step_are_walked_to_an_end() -> None:
    doubled = [Chain(f"KUBE-SVC-{n}", (Rule(f"-j KUBE-SVC-{n + 1}"),) * 2) for n in range(60)]
    table = Table("ip", "nat", (Chain("KUBE-SERVICES", (Rule("-j KUBE-SVC-0"),)), *doubled))
    route = Rules(Ruleset("iptables-nft", (table,))).route(FRONTEND)
    assert {path.outcome for path in route.paths.values()} == {"unknown"}


def _answers(rules: Rules) -> None:
    for family, address in (("ip", "10.111.199.230"), ("ip6", "fd00:10:96::50")):
        for path in rules.route(Frontend(family, address, 80, "tcp")).paths.values():
            assert sum(share.share for share in path.endpoints) <= 1 + 1e-6


@given(WORDS)
def test_any_iptables_rule_can_be_walked(words: list[str]) -> None:
    _walk(Rule(" ".join(words)))


@given(st.text())
def test_any_nft_rule_can_be_read(text: str) -> None:
    read_nft.read(Rule(text))


def _walk(*rules: Rule) -> str:
    chains = (Chain("KUBE-SERVICES", rules), Chain("KUBE-SVC-A", (Rule("-p tcp -j DNAT --to-destination 10.0.0.1:80"),)))
    path = Rules(Ruleset("iptables-nft", (Table("ip", "nat", chains),))).route(FRONTEND).paths[Source.POD]
    return f"{path.outcome} {', '.join(path.addresses)}".strip()


@pytest.mark.parametrize(
    ("spec", "outcome"),
    [
        ("-d 10.96.0.80/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A", "endpoints 10.0.0.1:80"),
        ("-d 10.96.0.80/32 -p tcp -m tcp --dport 80:90 -g KUBE-SVC-A", "endpoints 10.0.0.1:80"),
        ("-d 10.96.0.80/32 -p udp -m udp --dport 80 -j KUBE-SVC-A", "nothing"),
        ("-d 10.96.0.80/32 -p tcp -m tcp --dport 81 -j KUBE-SVC-A", "nothing"),
        ("-d 10.96.0.81/32 -m strange --what 4 -j KUBE-SVC-A", "nothing"),
        ("-d 10.96.0.80/32 -m strange --what 4 -j KUBE-SVC-A", "unknown"),
        ("-d 10.96.0.80/32 -p tcp -j REDIRECT --to-ports 5", "unknown"),
        ("-d 10.96.0.80/32 -p tcp -j KUBE-SVC-GONE", "unknown"),
        ("-d 10.96.0.80/32 -p tcp -j KUBE-SERVICES", "unknown"),
        ("-d 10.96.0.80/32 -m statistic --mode nth --every 3 --packet 0 -j KUBE-SVC-A", "unknown"),
        ("-d 10.96.0.80/32 -i eth0 -j KUBE-SVC-A", "unknown"),
        ('-d 10.96.0.80/32 -m comment --comment "a \\" -j DROP" -j KUBE-SVC-A', "endpoints 10.0.0.1:80"),
        ("-d 10.96.0.80/32 -j KUBE-MARK-DROP", "drop"),
    ],
)
def test_what_a_rule_does_to_a_packet(spec: str, outcome: str) -> None:
    assert _walk(Rule(spec)) == outcome


def test_a_rule_of_which_something_was_not_decoded_leaves_doubt() -> None:
    assert _walk(Rule("-d 10.96.0.80/32 -j KUBE-SVC-A", unread=("bpf",))) == "unknown"
    assert _walk(Rule("-d 10.96.0.81/32 -j KUBE-SVC-A", unread=("bpf",))) == "nothing"


@pytest.mark.parametrize(
    "rule",
    ["numgen random mod 2 vmap { 0 : goto a }", "numgen inc mod 1 vmap { 0 : drop }", "ip daddr 10.96.0.80 ip dscp 4 drop",
     "numgen random mod 1 map { 0 : 10.0.0.1 . 80 } dnat", "tcp dport != 80 drop", "ip saddr . ip daddr @pairs drop"],
)  # fmt: skip
def test_an_nft_rule_that_is_not_understood_leaves_doubt(rule: str) -> None:
    said = "ip daddr . meta l4proto . th dport vmap @service-ips"
    chains = (Chain("services", (Rule(rule), Rule(said))), Chain("a", ()))
    table = Table("ip", "kube-proxy", chains, (Map("service-ips", "ipv4_addr : verdict", ()),))
    assert Rules(Ruleset("nftables", (table,))).route(FRONTEND).paths[Source.POD].outcome == "unknown"


@pytest.mark.parametrize(
    "text",
    ["*nat\n:A - [0:0]\n", "*nat\n-A GONE -j DROP\nCOMMIT\n", "*nat\n*nat\nCOMMIT\n", ":A - [0:0]\n",
     "*nat\n:A - [0:0]\n:A - [0:0]\n"],
)  # fmt: skip
def test_half_a_save_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        saved_iptables.parse(text, "ip", "iptables-nft")


@pytest.mark.parametrize(
    "text", ["table ip x {\n", "table ip x {\n\tset y {\n\t\telements = { 1,\n", "chain x {\n}\n", "rubbish"]
)
def test_half_a_listing_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        saved_nft.parse(text)


def test_json_that_nft_would_not_print_is_refused() -> None:
    for text in ("{}", "[]", json.dumps({"nftables": [{"rule": {"family": "ip"}}]}), json.dumps({"nftables": [3]})):
        with pytest.raises(Malformed):
            saved_nft_json.parse(text)


def test_words_of_a_rule_keep_what_quotes_hold_together() -> None:
    assert read_iptables.words(r'-m comment --comment "a \"b\" c" -j X') == ["-m", "comment", "--comment", 'a "b" c', "-j", "X"]
