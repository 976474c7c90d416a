"""Rules that real kube-proxies wrote send exactly where their EndpointSlices say, port by port; what differs is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from node_helper.netfilter.records import Table
from tests.rule_samples import LARGE, LARGE_JSON, SMALL, VINTAGES, large, large_cluster, parsed, small
from workers.objects import Cluster, Service
from workers.rules.compare import differences
from workers.rules.desired import Desired, Wanted
from workers.rules.resolve import Frontend, Rules
from workers.rules.steps import Source


def _named(cluster: Cluster, node: str, rules: Rules) -> list[str]:
    """Each difference, by its service and what differs."""
    found = differences(Desired(cluster), cluster.services.values(), node, rules)
    return [f"{d.subject} {d.wanted.kind} from {d.source.value}: {d.what}: {d.desired} | {d.actual}" for d in found]


def _wanted(cluster: Cluster, node: str, rules: Rules) -> list[Wanted]:
    """Each frontend that is compared."""
    found = (each for service in cluster.services.values() for each in Desired(cluster).of(service, node))
    return [each for each in found if rules.in_use(each.frontend.family)]


def _sent_to(rules: Rules) -> set[str]:
    """Whatever any rule sends to, whether anything leads to it or not."""
    specs = (rule.spec for table in rules.tables() for chain in table.chains for rule in chain.rules)
    return {to.replace(" . ", ":") for spec in specs for to in _TO.findall(spec)}


def _endpoints(wanted: Iterable[Wanted]) -> set[str]:
    return {endpoint for each in wanted for endpoints in each.endpoints.values() for endpoint in endpoints}


_TO = re.compile(r"(?:--to-destination |dnat(?: ip6?)? to (?!numgen)|[0-9] : (?!goto))([^\s,]+(?: \. [0-9]+)?)")


@pytest.mark.parametrize("name", SMALL)
def test_no_service_of_a_recording_differs(name: str) -> None:
    """The recorded services have IPv4 alone: rules of IPv6 send to nothing here, and are `test_rules_of_every_kind`'s."""
    cluster, node, text = small(name)
    rules = Rules(parsed(name, text))
    assert rules.in_use("ip6" if "ip6tables" in name else "ip")
    wanted = _wanted(cluster, node, rules)
    assert [each.frontend.family for each in wanted] == ([] if "ip6tables" in name else ["ip"] * 18)
    assert _named(cluster, node, rules) == []
    assert _sent_to(rules) == _endpoints(wanted)


@pytest.mark.parametrize("name", [*LARGE, LARGE_JSON])
def test_none_of_ten_thousand_services_differs(name: str) -> None:
    cluster, node, rules = large_cluster(), name.partition(".")[0], Rules(parsed(name, large(name)[name]))
    wanted = _wanted(cluster, node, rules)
    assert len(wanted) == 10_018
    assert _named(cluster, node, rules) == []
    assert _sent_to(rules) == _endpoints(wanted)


FROM_OUTSIDE = {"shop/web-ext", "shop/web-lb", "shop/web-np"}
ALL_HERE = {"node1": set[str](), "node2": {"shop/db"}, "node3": set[str]()}
WITH_ENDPOINTS = {
    "default/kubernetes", "kube-system/kube-dns", "shop/badport", "shop/db", "shop/web", "shop/web-aff", *FROM_OUTSIDE
}  # fmt: skip


def _other(policy: str) -> str:
    return "Cluster" if policy == "Local" else "Local"


OTHERWISE: dict[str, Callable[[Service], Service]] = {
    "internal": lambda service: replace(service, internal_policy=_other(service.internal_policy)),
    "external": lambda service: replace(service, external_policy=_other(service.external_policy)),
}


@pytest.mark.parametrize("policy", OTHERWISE)
@pytest.mark.parametrize("name", [n for n in SMALL if "ip6" not in n])
def test_the_service_whose_traffic_policy_the_rules_do_not_follow_is_named(name: str, policy: str) -> None:
    """Each in turn has the other policy than its rules: no other is named, for the sources alone that the policy is about."""
    cluster, node, text = small(name)
    rules, found = Rules(parsed(name, text)), set()
    for service in cluster.services.values():
        changed = replace(cluster, services={**cluster.services, service.key: OTHERWISE[policy](service)})
        differing = list(differences(Desired(changed), changed.services.values(), node, rules))
        found |= {str(d.wanted.service) for d in differing}
        sources = set(Source) if policy == "internal" else {Source.OUTSIDE}
        assert {(d.wanted.service.key, d.what, d.source) for d in differing} in (
            set(), {(service.key, "endpoints", source) for source in sources}
        )  # fmt: skip
    assert found == (FROM_OUTSIDE if policy == "external" else WITH_ENDPOINTS - ALL_HERE[node])


@pytest.mark.parametrize("name", [n for n in SMALL if "ip6" not in n])
def test_the_service_whose_rules_differ_is_named(name: str) -> None:
    """One endpoint of shop/db written wrongly: its port and no other is named, for every source."""
    cluster, node, text = small(name)
    wrong = text.replace("10.245.1.20:5432", "10.245.1.21:5432").replace("10.245.1.20 . 5432", "10.245.1.21 . 5432")
    if name.endswith(".json"):
        wrong = re.sub(r'"10\.245\.1\.20"', '"10.245.1.21"', wrong)
    found = _named(cluster, node, Rules(parsed(name, wrong)))
    assert [line.split(" ")[0] for line in found] == ["shop/db:pg"] * 3
    assert all(line.endswith("endpoints: 10.245.1.20:5432 | 10.245.1.21:5432") for line in found)


WRONG_IPTABLES = (
    (r"--seconds 10800 ", "--seconds 60 ", "shop/web-aff:http", "affinity"),
    (r"[^\n]* -m recent --rcheck [^\n]*\n", "", "shop/web-aff:http", "affinity"),
    (r" -m recent --set --name \S+", "", "shop/web-aff:http", "affinity"),
    (r"(-m recent --set --name )\S+", r"\1MINE", "shop/web-aff:http", "affinity"),
    (r"( --seconds 10800)([^\n]*10\.244\.1\.1:8080|)", r"\2", "shop/web-aff:http", "affinity"),
    (r"[^\n]*-d 10\.111\.199\.230/32[^\n]*\n", "", "shop/web:http", "endpoints"),
)
WRONG_NFT = (
    (r"(set affinity\S+ \{[^}]*)timeout 3h", r"\1timeout 1m", "shop/web-aff:http", "affinity"),
    (r"\t\tip saddr @affinity[^\n]*\n", "", "shop/web-aff:http", "affinity"),
    (r"\t\tupdate @affinity[^\n]*\n", "", "shop/web-aff:http", "affinity"),
    (r"(\t\tupdate @\S+10\.244\.1\.)1(/\S+)", r"\g<1>3\2", "shop/web-aff:http", "affinity"),
    (r"\t*10\.111\.199\.230 \. tcp \. 80 :[^,\n]*,?\n", "", "shop/web:http", "endpoints"),
)
TEXTS = [n for n in SMALL if "ip6" not in n and not n.endswith(".json")]


@pytest.mark.parametrize(("name", "wrong"), [(n, w) for n in TEXTS for w in (WRONG_NFT if ".nft" in n else WRONG_IPTABLES)])
def test_whatever_else_differs_is_named_too(name: str, wrong: tuple[str, str, str, str]) -> None:
    """What is written instead of something else, the service that it is about, and what differs then."""
    was, instead, subject, what = wrong
    cluster, node, text = small(name)
    found = _named(cluster, node, Rules(parsed(name, re.sub(was, instead, text))))
    assert {(line.split(" ")[0], line.split(": ")[1]) for line in found} == {(subject, what)}


@pytest.mark.parametrize("name", TEXTS)
def test_local_policy_affinity_and_refusal_are_read_from_rules(name: str) -> None:
    _, node, text = small(name)
    rules = Rules(parsed(name, text))
    balanced = rules.route(Frontend("ip", "198.51.100.9", 80, "tcp")).paths
    everywhere = ("10.244.1.1:8080", "10.244.1.3:8080", "10.245.1.2:8080")
    here = {"node1": everywhere[:2], "node2": everywhere[2:], "node3": ()}[node]
    assert balanced[Source.POD].addresses == everywhere
    assert balanced[Source.NODE].addresses == everywhere
    assert balanced[Source.OUTSIDE].addresses == here
    assert balanced[Source.OUTSIDE].outcome == ("endpoints" if here else "drop")
    assert rules.route(Frontend("ip", "10.106.28.217", 80, "tcp")).paths[Source.POD].sticky_s == 10800
    assert rules.route(Frontend("ip", "10.105.51.33", 80, "tcp")).paths[Source.POD].outcome == "reject"
    assert rules.route(Frontend("ip", "10.105.51.33", 81, "tcp")).paths[Source.POD].outcome == "nothing"


@pytest.mark.parametrize("name", TEXTS)
def test_connections_from_outside_to_a_cluster_ip_are_masqueraded(name: str) -> None:
    paths = Rules(parsed(name, small(name)[2])).route(Frontend("ip", "10.111.199.230", 80, "tcp")).paths
    assert {source: path.masqueraded for source, path in paths.items()} == {
        Source.POD: False, Source.NODE: True, Source.OUTSIDE: True,
    }  # fmt: skip


@pytest.mark.parametrize("vintage", ["1.30", "1.36"])
def test_nft_says_the_same_as_text_and_as_json(vintage: str) -> None:
    text, data = (parsed(name, small(name)[2]) for name in (f"kube-proxy-{vintage}/node2.nft.{kind}" for kind in ("txt", "json")))
    for one, other in zip(text.tables, data.tables, strict=True):
        assert {m.name: (m.type, m.timeout, set(m.elements)) for m in one.maps} == {
            m.name: (m.type, m.timeout, set(m.elements)) for m in other.maps
        }
        assert {c.name: c.rules for c in one.chains} == {c.name: c.rules for c in other.chains}


@pytest.mark.parametrize("vintage", VINTAGES)
def test_counters_are_read_beside_the_same_rules(vintage: str) -> None:
    plain, counted = (
        parsed(name, small(name)[2]) for name in (f"kube-proxy-{vintage}/node1.iptables-save{c}.txt" for c in ("", "-c"))
    )
    for one, other in zip(plain.tables, counted.tables, strict=True):
        assert [[r.spec for r in c.rules] for c in one.chains] == [[r.spec for r in c.rules] for c in other.chains]
    assert all(r.packets is None for t in plain.tables for c in t.chains for r in c.rules)
    assert all(r.packets is not None for t in counted.tables for c in t.chains for r in c.rules)


@pytest.mark.parametrize("vintage", VINTAGES)
def test_what_nft_shows_of_iptables_rules_is_read_and_never_taken_for_service_rules(vintage: str) -> None:
    """It leaves out what iptables' own matches ask, and that of 1.23 where endpoints are; chains, rules and jumps are told."""
    view, saves = f"kube-proxy-{vintage}/node1.nft-view-of-iptables-nft.txt", ("iptables-save-c", "ip6tables-save")
    rules = Rules(parsed(view, small(view)[2]))
    assert not rules.in_use("ip")
    assert not rules.in_use("ip6")
    names = [f"kube-proxy-{vintage}/node1.{save}.txt" for save in saves]
    saved = [Rules(parsed(name, small(name)[2])) for name in names]
    assert _told(rules.tables()) == _told([table for each in saved for table in each.tables()])
    assert _sent_to(rules) == (set() if vintage == "1.23" else _sent_to(saved[0]))


def _told(tables: Iterable[Table]) -> dict[tuple[str, str, str], list[list[str]]]:
    return {(t.family, t.name, c.name): [_LEADS.findall(r.spec) for r in c.rules] for t in tables for c in t.chains if c.rules}


_LEADS = re.compile(r"(?:-j |jump )(KUBE\S+)")
