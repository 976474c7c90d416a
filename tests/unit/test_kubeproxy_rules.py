"""What the rendered rules do, whatever the services: followed through the text as the kernel follows them."""

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.kubeproxy.iptables import NFACCT_OBJECTS, render_iptables
from deploy.lab.kubeproxy.model import Family, Objects
from deploy.lab.kubeproxy.nftables import render_nftables
from tests.kubeproxy_objects import (
    CLUSTER_CIDR,
    SERVICE_CIDR,
    draining,
    endpoint,
    endpoint_slice,
    every_kind,
    node,
    recorded,
    service,
)

HERE = [node("here", "172.31.0.1")]
SOURCES: dict[str, Any] = {
    "type": "LoadBalancer",
    "loadBalancerSourceRanges": ["192.0.2.0/24"],
    "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}]}},
}


def iptables(*services: dict[str, Any], slices: tuple[dict[str, Any], ...] = (), cidr: str | None = CLUSTER_CIDR) -> str:
    return render_iptables(Objects(services, slices, HERE), "here", cluster_cidr=cidr)


def nftables(*services: dict[str, Any], slices: tuple[dict[str, Any], ...] = (), cidr: str | None = CLUSTER_CIDR) -> str:
    objects = Objects(services, slices, HERE)
    return render_nftables(objects, "here", cluster_cidr=cidr, service_cidr=SERVICE_CIDR)


def behind(count: int, name: str = "web") -> dict[str, Any]:
    return endpoint_slice(name, [endpoint(f"10.244.{number // 250}.{number % 250}") for number in range(count)])


@given(st.integers(1, 40))
def test_each_endpoint_has_the_same_chance(count: int) -> None:
    rules = re.findall(r"^-A KUBE-SVC-\S+ -m comment .*?(?:--probability (\S+) )?-j (KUBE-SEP-\S+)", _web(count), re.MULTILINE)
    left, chances = 1.0, {}
    for probability, chain in rules:
        chances[chain] = left * float(probability or 1)
        left -= chances[chain]
    assert left == pytest.approx(0)
    assert list(chances.values()) == pytest.approx([1 / count] * count, abs=1e-8)


@given(st.integers(1, 40))
def test_the_numbers_of_an_nftables_map_are_all_there_once(count: int) -> None:
    mod, choices = re.findall(r"numgen random mod (\d+) map { (.*?) }", nftables(service(), slices=(behind(count),)))[0]
    numbers = [choice.split(" : ") for choice in choices.split(", ")]
    assert [int(number) for number, _ in numbers] == list(range(int(mod)))
    assert len({to for _, to in numbers}) == int(mod) == count


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("objects", [every_kind(), recorded()], ids=["every kind", "recorded"])
def test_every_jump_leads_to_a_chain_and_every_service_chain_is_led_to(objects: Objects, family: Family) -> None:
    text = render_iptables(objects, "node1", cluster_cidr=CLUSTER_CIDR, family=family)
    for table in text.split("COMMIT\n"):
        chains = set(re.findall(r"^:(KUBE-\S+)", table, re.MULTILINE))
        led_to = set(re.findall(r" -j (KUBE-\S+)", table))
        assert led_to <= chains
        assert {chain for chain in chains if re.match(r"KUBE-(SVC|SVL|EXT|FW|SEP)-", chain)} <= led_to


@pytest.mark.parametrize("family", Family)
def test_every_nftables_name_used_is_declared_once(family: Family) -> None:
    text = render_nftables(every_kind(), "node1", cluster_cidr=CLUSTER_CIDR, service_cidr=SERVICE_CIDR, family=family)
    declared = Counter(re.findall(r"^\t(?:chain|set|map) (\S+) {", text, re.MULTILINE))
    used = set(re.findall(r"(?:goto|jump) ([^\s,]+)|@([^\s,}]+)", re.sub(r'comment ".*?"', "", text)))
    assert {chain or container for chain, container in used} <= set(declared)
    assert set(declared.values()) == {1}


def test_no_rule_of_one_family_names_an_address_of_the_other() -> None:
    text = render_iptables(every_kind(), "node1", cluster_cidr=CLUSTER_CIDR)
    assert "fd00:" not in text
    text = render_iptables(every_kind(), "node1", cluster_cidr=CLUSTER_CIDR, family=Family.IPV6)
    assert not re.search(r"\d+\.\d+\.\d+\.\d+", text)


def test_the_accounting_objects_are_those_that_the_rules_name() -> None:
    text = render_iptables(recorded(), "node1", cluster_cidr=CLUSTER_CIDR)
    assert set(re.findall(r"--nfacct-name  (\S+)", text)) == set(NFACCT_OBJECTS)


def test_without_a_cluster_cidr_nothing_is_masqueraded_for_coming_from_outside() -> None:
    assert "! -s" not in re.sub(r"! -s 127\.0\.0\.0/8", "", iptables(service(), slices=(behind(1),), cidr=None))
    assert "saddr !=" not in nftables(service(), slices=(behind(1),), cidr=None)


def test_a_client_returns_to_its_endpoint_for_as_long_as_the_service_says() -> None:
    sticky = service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 90061}})
    assert "--rcheck --seconds 90061 --reap" in iptables(sticky, slices=(behind(2),))
    assert "\t\ttimeout 1d1h1m1s\n" in nftables(sticky, slices=(behind(2),))


def test_an_endpoint_that_reaches_itself_is_masqueraded_if_it_is_on_this_node() -> None:
    both = endpoint_slice("web", [endpoint("10.244.1.1", "here"), endpoint("10.244.2.1", "there")])
    hairpins = re.findall(r"10\.244\.\d\.1 \. 10\.244\.\d\.1 \. tcp \. 8080", nftables(service(), slices=(both,)))
    assert hairpins == ["10.244.1.1 . 10.244.1.1 . tcp . 8080"]
    assert iptables(service(), slices=(both,)).count("-j KUBE-MARK-MASQ") == 3  # iptables mode: wherever it is


def test_draining_endpoints_are_written_when_no_other_is_left() -> None:
    leaving = endpoint_slice("web", [draining("10.244.1.1"), {**endpoint("10.244.1.2"), "conditions": {"ready": False}}])
    assert re.findall(r"--to-destination (\S+)", iptables(service(), slices=(leaving,))) == ["10.244.1.1:8080"]


@pytest.mark.parametrize(("ranges", "admitted"), [(["192.0.2.0/24"], False), (["172.31.0.0/24"], True)])
def test_the_node_may_use_the_load_balancer_if_its_address_may(ranges: list[str], admitted: bool) -> None:  # noqa: FBT001
    limited = service(**{**SOURCES, "loadBalancerSourceRanges": ranges})
    text = iptables(limited, slices=(behind(1),))
    assert bool(re.search(r"^-A KUBE-FW-\S+ -s 198\.51\.100\.1/32 ", text, re.MULTILINE)) == admitted
    assert bool(re.search(r"ip saddr != {.*198\.51\.100\.1 } drop", nftables(limited, slices=(behind(1),)))) == admitted


def test_source_ranges_of_a_service_without_endpoints() -> None:
    """In nftables mode strangers are dropped all the same; iptables mode refuses everybody and needs no firewall chain."""
    assert "KUBE-FW-" not in iptables(service(**SOURCES))
    assert "ip saddr != 192.0.2.0/24 drop" in nftables(service(**SOURCES))


def test_a_range_of_all_addresses_is_no_condition_in_iptables() -> None:
    everybody = service(**{**SOURCES, "loadBalancerSourceRanges": ["0.0.0.0/0"]})
    assert '-m comment --comment "shop/web:http loadbalancer IP" -j KUBE-EXT-' in iptables(everybody, slices=(behind(1),))


def test_a_thousand_endpoints_keep_their_comments_and_one_more_loses_them() -> None:
    assert "shop/web:http -> " in _web(1000)
    large = _web(1001)
    assert "shop/web:http -> " not in large
    assert "shop/web:http cluster IP" in large


def test_endpoints_that_are_not_ready_count_towards_a_large_cluster() -> None:
    unready = [{**each, "conditions": {"ready": False}} for each in behind(1001, "other")["endpoints"]]
    slices = (behind(1), endpoint_slice("other", unready))
    text = iptables(service(), service("other", clusterIP="10.96.0.81"), slices=slices)
    assert "shop/web:http -> " not in text


def test_two_services_that_claim_one_address_give_it_to_the_later_one() -> None:
    claims = [service(name, clusterIP=f"10.96.0.{n}", externalIPs=["203.0.113.1"]) for n, name in enumerate("ab", 1)]
    text = nftables(*claims, slices=(behind(1, "a"), behind(1, "b")))
    assert re.findall(r"203\.0\.113\.1 \. tcp \. 80 : goto external-\w+-shop/(\w)/", text) == ["b"]


def test_services_come_in_the_order_of_the_objects() -> None:
    services = [service(name, clusterIP=f"10.96.0.{number}") for number, name in enumerate(("b", "c", "a"), 1)]
    found = re.findall(r'^-A KUBE-SERVICES .*"shop/(\w):http has', iptables(*services), re.MULTILINE)
    assert found == ["b", "c", "a"]


def _web(count: int) -> str:
    return iptables(service(), slices=(behind(count),))
