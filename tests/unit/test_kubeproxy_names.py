"""Names of chains and sets; the recordings hold the common ones, here are the rare ones."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.kubeproxy.model import Endpoint, PortName
from deploy.lab.kubeproxy.names import iptables_endpoint, iptables_service, nftables_endpoint, nftables_service

WEB = PortName("ns1", "svc1", "p80", "tcp")
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


def endpoint(ip: str, port: int = 80) -> Endpoint:
    return Endpoint(ip, port, local=False, ready=True, serving=True, terminating=False)


def test_names_that_kubernetes_documents() -> None:
    """From the tests of kube-proxy's nftables mode."""
    assert nftables_service("service", WEB) == "service-ULMVA6XW-ns1/svc1/tcp/p80"
    assert nftables_endpoint("endpoint", WEB, endpoint("10.180.0.1")) == ("endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80")


def test_a_port_without_a_name_leaves_an_empty_part() -> None:
    assert nftables_service("service", PortName("ns1", "svc1", "", "tcp")).endswith("-ns1/svc1/tcp/")


def test_an_ipv6_endpoint_has_no_colon_in_its_name() -> None:
    assert nftables_endpoint("endpoint", WEB, endpoint("fd00::1")).endswith("__fd00..1/80")


def test_a_name_too_long_for_the_kernel_is_cut_and_says_so() -> None:
    long = PortName("n" * 63, "s" * 63, "p" * 63, "sctp")
    name = nftables_endpoint("endpoint", long, endpoint("2001:db8:1111:2222:3333:4444:5555:6666", 65535))
    assert len(name) == len("endpoint-") + 240
    assert name.endswith("...")


@pytest.mark.parametrize("other", [PortName("ns1", "svc1", "p80", "udp"), PortName("ns1", "svc1", "p81", "tcp")])
def test_ports_of_one_service_have_their_own_chains(other: PortName) -> None:
    assert iptables_service("SVC", WEB) != iptables_service("SVC", other)
    assert iptables_endpoint(WEB, endpoint("10.1.1.1")) != iptables_endpoint(other, endpoint("10.1.1.1"))


@given(LABELS, LABELS, LABELS, st.sampled_from(["tcp", "udp", "sctp"]), st.ip_addresses(), st.integers(1, 65535))
def test_names_fit_the_kernel_and_need_no_quotes(
    namespace: str, service: str, port: str, protocol: str, ip: object, number: int
) -> None:
    name, behind = PortName(namespace, service, port, protocol), endpoint(str(ip), number)
    assert re.fullmatch(r"KUBE-SVC-[A-Z2-7]{16}", iptables_service("SVC", name))
    assert len(iptables_endpoint(name, behind)) <= 28
    assert re.fullmatch(r"affinity-[A-Z2-7]{8}-[A-Za-z0-9_./-]{1,231}", nftables_endpoint("affinity", name, behind))
