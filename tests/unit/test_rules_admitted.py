"""From where a load balancer, and to which addresses a node port, lets connections in: every one that the rules name."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from node_helper.netfilter.records import Destination, Map, Ruleset
from tests.rule_samples import SMALL, parsed, small
from workers.rules import part
from workers.rules.resolve import Frontend, Path, Rules
from workers.rules.steps import Source

RANGES = ("203.0.113.0/25", "198.18.0.0/15", "192.0.2.7/32")
IPTABLES = "kube-proxy-1.36/node1.iptables-save.txt"
BALANCED = Frontend("ip", "198.51.100.9", 80, "tcp")


def path(name: str, text: str, frontend: Frontend) -> Path:
    return Rules(parsed(name, text)).route(frontend).paths[Source.OUTSIDE]


def test_every_range_of_a_firewall_chain_is_admitted() -> None:
    text = small(IPTABLES)[2].replace("--dport 80 -j KUBE-EXT-AKPB56V6DIC5CJT2", "--dport 80 -j KUBE-FW-AKPB56V6DIC5CJT2")
    rules = "".join(f"-A KUBE-FW-AKPB56V6DIC5CJT2 -s {each} -j KUBE-EXT-AKPB56V6DIC5CJT2\n" for each in RANGES)
    text = text.replace(":KUBE-MARK-MASQ -", ":KUBE-FW-AKPB56V6DIC5CJT2 - [0:0]\n:KUBE-MARK-MASQ -")
    text = text.replace("-A KUBE-MARK-MASQ", f"{rules}-A KUBE-MARK-MASQ")
    found = path(IPTABLES, text, BALANCED)
    assert (found.outcome, found.admitted) == ("endpoints", RANGES)
    refused = text.replace(f"-s {RANGES[0]} -j KUBE-EXT-AKPB56V6DIC5CJT2", f"-s {RANGES[0]} -j DROP")
    assert path(IPTABLES, refused, BALANCED).admitted == RANGES[1:]


@pytest.mark.parametrize("ranges", [RANGES, RANGES[:1]])
def test_every_range_of_a_firewall_of_nftables_is_admitted(ranges: tuple[str, ...]) -> None:
    """A single one is listed without braces."""
    said = f"{{ {', '.join(ranges)} }}" if len(ranges) > 1 else ranges[0]
    name = "kube-proxy-1.36/node2.nft.txt"
    text = small(name)[2].replace(
        'comment "destinations that are subject to LoadBalancerSourceRanges"\n',
        'comment "-"\n\t\telements = { 198.51.100.9 . tcp . 80 : goto firewall-X }\n',
        1,
    )
    text = text.replace(
        "\tchain services {",
        f"\tchain firewall-X {{\n\t\tip saddr != {said} drop\n\t}}\n\n\tchain services {{",
        1,
    )
    found = path(name, text, BALANCED)
    assert (found.outcome, found.admitted) == ("endpoints", ranges)


@pytest.mark.parametrize("said", ["192.0.2.0/24", "{ 192.0.2.0/24, 198.51.100.0/24 }", "{ 192.0.2.1-192.0.2.9 }"])
def test_a_rule_that_drops_all_others_counts_where_no_load_balancer_is(said: str) -> None:
    name = "kube-proxy-1.36/node2.nft.txt"
    text = small(name)[2].replace("\tchain services {\n", f"\tchain services {{\n\t\tip saddr != {said} drop\n", 1)
    found = path(name, text, Frontend("ip", "10.96.0.10", 53, "udp"))
    assert (found.outcome, found.admitted) == ("unknown" if "-" in said else "drop", ())


NODE_PORT = Frontend("ip", "", 30489, "tcp")
ADDRESSES = ("10.199.0.11", "10.199.1.11")
EVERY_ADDRESS = r"-A KUBE-SERVICES [^\n]*--dst-type LOCAL -j KUBE-NODEPORTS\n"


def both(name: str, text: str) -> list[Path]:
    """From the whole table, and from the part that a node would hand out."""
    whole = parsed(name, text)
    parts = (whole, part.about(whole, "ip", (Destination("", 30489, "tcp"),)))
    return [Rules(each).route(NODE_PORT).paths[Source.OUTSIDE] for each in parts]


@pytest.mark.parametrize("services", [0, 40])
def test_node_ports_that_some_addresses_take_are_only_to_those(services: int) -> None:
    said = "".join(f"-A KUBE-SERVICES -d {each}/32 -j KUBE-NODEPORTS\n" for each in ADDRESSES)
    more = "".join(f"-A KUBE-SERVICES -d 10.96.9.{n}/32 -p tcp -m tcp --dport 30489 -j DROP\n" for n in range(services))
    text = re.sub(EVERY_ADDRESS, more + said, small(IPTABLES)[2])
    assert said in text
    for found in both(IPTABLES, text):
        assert (found.outcome, found.only_to) == ("endpoints", tuple(f"{each}/32" for each in ADDRESSES))


def test_node_ports_that_no_rule_leads_to_go_nowhere() -> None:
    for found in both(IPTABLES, re.sub(EVERY_ADDRESS, "", small(IPTABLES)[2])):
        assert found.outcome == "nothing"


@pytest.mark.parametrize("name", [n for n in SMALL if n.endswith(".nft.txt")])
def test_node_ports_of_nftables_are_only_to_the_addresses_of_their_set(name: str) -> None:
    text = small(name)[2]
    listed = re.search(r"IPs that accept NodePort traffic\"\n\t+elements = { (.*) }\n", text)
    assert listed
    for found in both(name, text):
        assert (found.outcome, found.only_to) == ("endpoints", (listed[1],))
    for found in both(name, text.replace(listed[0], 'none"\n')):
        assert (found.outcome, found.only_to) == ("nothing", ())


def test_of_a_set_that_a_node_did_not_hand_out_nothing_is_said() -> None:
    name = "kube-proxy-1.36/node2.nft.txt"
    found = part.about(parsed(name, small(name)[2]), "ip", (Destination("", 30489, "tcp"),))
    older = Ruleset(found.backend, tuple(replace(t, maps=tuple(map(_as_once, t.maps))) for t in found.tables), partial=True)
    path = Rules(older).route(NODE_PORT).paths[Source.OUTSIDE]
    assert (path.outcome, path.only_to) == ("endpoints", ())


def _as_once(known: Map) -> Map:
    return replace(known, whole=False, elements=() if known.name == "nodeport-ips" else known.elements)
