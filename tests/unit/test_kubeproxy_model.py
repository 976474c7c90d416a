"""How Kubernetes objects are read, and which endpoints one node uses."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.kubeproxy.endpoints import reachable
from deploy.lab.kubeproxy.model import Endpoint, Family, Node, Objects, PortName, RoutedPort, ServicePort
from deploy.lab.kubeproxy.reading import UnknownNodeError, cidr_of_family, find_node, routed_ports
from tests.kubeproxy_objects import draining, endpoint, endpoint_slice, node, service

HERE = Node("here", "zone-a", "172.31.0.1")
LOCAL: dict[str, Any] = {"type": "NodePort", "externalTrafficPolicy": "Local"}


def routed(of: dict[str, Any], *endpoints: dict[str, Any], family: Family = Family.IPV4) -> RoutedPort:
    objects = Objects([of], [endpoint_slice(of["metadata"]["name"], endpoints)], [])
    (only,) = routed_ports(objects, HERE, family)
    return only


def ips(endpoints: tuple[Endpoint, ...]) -> list[str]:
    return [each.ip for each in endpoints]


@pytest.mark.parametrize(
    "passed_over",
    [
        {"clusterIP": "None"},
        {"clusterIP": ""},
        {"type": "ExternalName"},
        {"clusterIP": "fd00:96::1"},
        {"ports": None},
    ],
)
def test_a_service_without_a_cluster_ip_of_the_family_has_no_rules(passed_over: dict[str, Any]) -> None:
    assert routed_ports(Objects([service(**passed_over)], [], []), HERE, Family.IPV4) == ()


def test_a_service_of_another_proxy_has_no_rules() -> None:
    other = service()
    other["metadata"]["labels"]["service.kubernetes.io/service-proxy-name"] = "cilium"
    assert routed_ports(Objects([other], [], []), HERE, Family.IPV4) == ()


def test_a_dual_stack_service_is_read_once_a_family() -> None:
    dual = service(clusterIP="10.96.0.1", clusterIPs=["10.96.0.1", "fd00:96::1"])
    objects = Objects([dual], [], [])
    found = {family: routed_ports(objects, HERE, family)[0].service.cluster_ip for family in Family}
    assert found == {Family.IPV4: "10.96.0.1", Family.IPV6: "fd00:96::1"}


def test_a_slice_without_ports_has_no_endpoints_although_its_addresses_are_ready() -> None:
    """A missing named target port looks so."""
    nowhere = {**endpoint_slice("web", [endpoint("10.244.1.1")]), "ports": None}
    (port,) = routed_ports(Objects([service()], [nowhere], []), HERE, Family.IPV4)
    assert not port.reach.anywhere


def test_endpoints_are_sorted_as_text() -> None:
    port = routed(service(), *(endpoint(f"10.244.1.{number}") for number in (2, 10, 9, 1)))
    assert ips(port.reach.cluster) == ["10.244.1.10", "10.244.1.1", "10.244.1.2", "10.244.1.9"]


def test_an_endpoint_in_two_slices_counts_once_and_is_local_if_either_says_so() -> None:
    slices = [endpoint_slice("web", [endpoint("10.244.1.1", on)]) for on in ("here", None)]
    (port,) = routed_ports(Objects([service()], slices, []), HERE, Family.IPV4)
    assert [(each.ip, each.local) for each in port.reach.cluster] == [("10.244.1.1", True)]


def test_an_endpoint_without_conditions_is_ready() -> None:
    port = routed(service(), {"addresses": ["10.244.1.1"]})
    assert [(each.ready, each.serving, each.terminating) for each in port.reach.cluster] == [(True, True, False)]


def test_an_endpoint_that_is_not_ready_is_not_used() -> None:
    port = routed(service(), {"addresses": ["10.244.1.1"], "conditions": {"ready": False}})
    assert (port.reach.all, port.internal) == ((), False)


def test_draining_endpoints_are_used_only_if_none_is_ready() -> None:
    assert ips(routed(service(), endpoint("10.244.1.1"), draining("10.244.1.2")).reach.cluster) == ["10.244.1.1"]
    assert ips(routed(service(), draining("10.244.1.2")).reach.cluster) == ["10.244.1.2"]


def test_local_traffic_falls_back_to_draining_endpoints_of_the_node_alone() -> None:
    local = service(ports=[{"name": "http", "port": 80, "nodePort": 30080}], **LOCAL)
    port = routed(local, endpoint("10.244.2.1", "there"), draining("10.244.1.2", "here"))
    assert (ips(port.reach.cluster), ips(port.reach.local)) == (["10.244.2.1"], ["10.244.1.2"])
    assert ips(port.reach.all) == ["10.244.1.2", "10.244.2.1"]


def test_external_policy_local_needs_a_way_in_from_outside() -> None:
    inside = routed(service(externalTrafficPolicy="Local"), endpoint("10.244.2.1", "there"))
    assert (inside.service.external_local, inside.external, inside.reach.local) == (False, True, ())


def test_internal_policy_local_alone_uses_local_endpoints_only() -> None:
    port = routed(service(internalTrafficPolicy="Local"), endpoint("10.244.2.1", "there"))
    assert (port.reach.all, port.internal, port.reach.anywhere) == ((), False, True)


def test_a_load_balancer_that_proxies_leaves_no_address_to_catch() -> None:
    ingress = [{"ip": "198.51.100.1", "ipMode": "Proxy"}, {"hostname": "lb.example"}, {"ip": "198.51.100.2"}]
    port = routed(service(type="LoadBalancer", status={"loadBalancer": {"ingress": ingress}}))
    assert port.service.load_balancer_ips == ("198.51.100.2",)


def test_a_health_check_port_is_for_local_load_balancers_only() -> None:
    ports: dict[str, Any] = {"healthCheckNodePort": 30100, "externalTrafficPolicy": "Local"}
    found = [routed(service(type=kind, **ports)).service.health_check_node_port for kind in ("LoadBalancer", "NodePort")]
    assert found == [30100, None]


@pytest.mark.parametrize(
    ("hints", "used"),
    [
        ([{"forZones": [{"name": "zone-a"}]}, {"forZones": [{"name": "zone-b"}]}], ["10.244.1.0"]),
        ([{"forZones": [{"name": "zone-a"}]}, None], ["10.244.1.0", "10.244.1.1"]),
        ([{"forZones": [{"name": "zone-b"}]}, {"forZones": [{"name": "zone-b"}]}], ["10.244.1.0", "10.244.1.1"]),
        ([{"forNodes": [{"name": "there"}]}, {"forNodes": [{"name": "here"}]}], ["10.244.1.1"]),
        (
            [
                {"forNodes": [{"name": "there"}], "forZones": [{"name": "zone-a"}]},
                {"forNodes": [{"name": "elsewhere"}], "forZones": [{"name": "zone-b"}]},
            ],
            ["10.244.1.0"],
        ),
    ],
    ids=["own zone", "one without a hint", "none for this zone", "own node", "no endpoint for the node"],
)
def test_hints_narrow_the_endpoints_if_all_have_one(hints: list[dict[str, Any] | None], used: list[str]) -> None:
    endpoints = [endpoint(f"10.244.1.{number}", hints=hint) for number, hint in enumerate(hints)]
    assert ips(routed(service(), *endpoints).reach.cluster) == used


def test_the_node_is_found_with_its_address_of_the_family() -> None:
    objects = Objects([], [], [node("here", "172.31.0.1", "fd00:31::1", zone="zone-a")])
    assert find_node(objects, "here", Family.IPV4) == HERE
    assert find_node(objects, "here", Family.IPV6).ip == "fd00:31::1"


def test_an_unknown_node_is_named_together_with_the_known_ones() -> None:
    with pytest.raises(UnknownNodeError, match=r"'elsewhere' \(known: here\)"):
        find_node(Objects([], [], [node("here")]), "elsewhere", Family.IPV4)


@pytest.mark.parametrize(
    ("flag", "family", "chosen"),
    [
        ("10.244.0.0/16,fd00:244::/48", Family.IPV4, "10.244.0.0/16"),
        ("10.244.0.0/16, fd00:244::/48", Family.IPV6, "fd00:244::/48"),
        ("10.244.0.0/16", Family.IPV6, None),
        (None, Family.IPV4, None),
    ],
)
def test_one_network_of_the_flag_is_for_each_family(flag: str | None, family: Family, chosen: str | None) -> None:
    assert cidr_of_family(flag, family) == chosen


ENDPOINTS = st.lists(
    st.builds(
        Endpoint,
        ip=st.integers(0, 255).map(lambda number: f"10.244.1.{number}"),
        port=st.just(8080),
        local=st.booleans(),
        ready=st.booleans(),
        serving=st.booleans(),
        terminating=st.booleans(),
        zones=st.frozensets(st.sampled_from(["zone-a", "zone-b"])),
        nodes=st.frozensets(st.sampled_from(["here", "there"])),
    ),
    max_size=8,
    unique_by=lambda each: each.ip,
)
PLAIN = ServicePort(
    name=PortName("shop", "web", "http", "tcp"),
    cluster_ip="10.96.0.1",
    port=80,
    node_port=30080,
    external_ips=(),
    load_balancer_ips=(),
    source_ranges=(),
    affinity_seconds=None,
    external_local=False,
    internal_local=False,
    health_check_node_port=None,
)
SERVICES = st.builds(
    lambda external, internal: dataclasses.replace(PLAIN, external_local=external, internal_local=internal),
    st.booleans(),
    st.booleans(),
)


@given(SERVICES, ENDPOINTS)
def test_traffic_never_goes_to_an_endpoint_that_does_not_serve(of: ServicePort, endpoints: list[Endpoint]) -> None:
    reach = reachable(of, endpoints, HERE)
    assert all(each.ready or (each.serving and each.terminating) for each in reach.all)
    assert all(each.local for each in reach.local)
    if any(each.ready for each in endpoints):
        assert reach.cluster
        assert all(each.ready for each in reach.cluster)


@given(SERVICES, ENDPOINTS)
def test_something_is_reached_whenever_something_serves(of: ServicePort, endpoints: list[Endpoint]) -> None:
    reach = reachable(of, endpoints, HERE)
    assert reach.anywhere == any(each.ready or each.draining for each in endpoints)
    assert bool(reach.cluster) == reach.anywhere
