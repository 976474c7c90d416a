"""Which chains a mistyped one is near to, among the tens of thousands that a node with many services has."""

from __future__ import annotations

import pytest

from workers.rules.near import near

IPTABLES = (
    "KUBE-SERVICES",
    "KUBE-SVC-AAAABBBBCCCCDDDD",
    "KUBE-SEP-AAAABBBBCCCCDDDD",
    "KUBE-FIREWALL",
    "KUBE-FW-AAAABBBBCCCCDDDD",
)
NFTABLES = (
    "services", "service-endpoints-check", "firewall-check", "service-AAAABBBB-shop/cart/tcp/http",
    "endpoint-AAAABBBB-shop/cart/tcp/http__10.0.0.1/80",
)  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "names", "found"),
    [
        ("kube-svc-aaaabbbbccccdddx", IPTABLES, "KUBE-SVC-AAAABBBBCCCCDDDD"),
        ("KUBE-SERVICE", IPTABLES, "KUBE-SERVICES"),
        ("KUBE-FIREWAL", IPTABLES, "KUBE-FIREWALL"),
        ("service-endpoint-check", NFTABLES, "service-endpoints-check"),
        ("firewal-check", NFTABLES, "firewall-check"),
        ("service-AAAABBBX-shop/cart/tcp/http", NFTABLES, "service-AAAABBBB-shop/cart/tcp/http"),
    ],
)
def test_one_letter_is_found(typed: str, names: tuple[str, ...], found: str) -> None:
    assert near(typed, names)[:1] == (found,)


def test_names_with_a_hash_are_compared_only_with_what_begins_like_them() -> None:
    assert near("AAAABBBBCCCCDDDD", IPTABLES) == ()
    assert near("KUBE-SEPARATE-AAAABBBBCCCCDDDD", IPTABLES) == ()
    assert near("AAAABBBB-shop/cart/tcp/http", NFTABLES) == ()


def test_a_hash_is_found_among_those_of_ten_thousand_services() -> None:
    many = [f"KUBE-SVC-{number:05d}ABCDEFGHIJK" for number in range(10_000, 20_000)]
    assert near("KUBE-SVC-19999ABCDEFGHIJX", many)[:1] == (many[-1],)


def test_of_names_beyond_all_bounds_a_part_is_compared_those_without_a_hash_first() -> None:
    many = [f"KUBE-SVC-{number:016d}" for number in range(50_000)]
    assert near("KUBE-SVC-00MASQ", [*many, "KUBE-SVCS-00MASQ"])[0] == "KUBE-SVCS-00MASQ"
    assert near(many[0], many)[:1] == (many[0],)
    assert near(many[-1], many)[:1] == (many[-1],)


@pytest.mark.parametrize("typed", ["KUBE-NODEPORT", "UBE-NODEPORTS", "kube-nodports"])
def test_the_likeliest_of_names_beyond_all_bounds_are_compared_wherever_they_stand(typed: str) -> None:
    workloads = [f"cali-tw-cali{number:011x}" for number in range(6000)]
    assert near(typed, ["KUBE-SERVICES", *workloads, "KUBE-PROXY-FIREWALL", "KUBE-NODEPORTS"])[:1] == ("KUBE-NODEPORTS",)
