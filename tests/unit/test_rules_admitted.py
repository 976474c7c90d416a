"""From where a load balancer, and to which addresses a node port, lets connections in: every one that the rules name."""

from __future__ import annotations

from tests.rule_samples import parsed, small
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


def test_every_range_of_a_firewall_of_nftables_is_admitted() -> None:
    name = "kube-proxy-1.36/node2.nft.txt"
    text = small(name)[2].replace(
        'comment "destinations that are subject to LoadBalancerSourceRanges"\n',
        'comment "-"\n\t\telements = { 198.51.100.9 . tcp . 80 : goto firewall-X }\n',
        1,
    )
    text = text.replace(
        "\tchain services {",
        f"\tchain firewall-X {{\n\t\tip saddr != {{ {', '.join(RANGES)} }} drop\n\t}}\n\n\tchain services {{",
        1,
    )
    assert path(name, text, BALANCED).admitted == RANGES
