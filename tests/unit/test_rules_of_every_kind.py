"""Rules of every kind of service, in both families and every backend, resolve to its slices' endpoints; what differs is named."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from typing import Any

import pytest

from deploy.lab.kubeproxy.iptables import render_iptables
from deploy.lab.kubeproxy.ipvs import render_ipvs
from deploy.lab.kubeproxy.model import Family, Objects
from deploy.lab.kubeproxy.nftables import render_nftables
from tests.kubeproxy_objects import CLUSTER_CIDR, SERVICE_CIDR, every_kind
from tests.rule_samples import seen
from workers.ipvs.routes import Servers
from workers.ipvs.saved import parse
from workers.rules import saved_iptables, saved_nft
from workers.rules.compare import Difference, differences, of_route
from workers.rules.desired import Desired
from workers.rules.resolve import Rules
from workers.rules.steps import Source

Api = dict[str, Any]
Change = Callable[[Api, list[Api]], None]
FAMILIES = {"ip": Family.IPV4, "ip6": Family.IPV6}
BACKENDS = ("iptables-nft", "iptables-legacy", "nftables")
FRONTENDS = 28
KNOWN = every_kind()
SEEN = seen(KNOWN)
NAMES = [service.name for service in SEEN.services.values()]
WITH_ENDPOINTS = {*NAMES} - {"nobody"}
USED_HERE = WITH_ENDPOINTS - {"far-from-home"}
FROM_OUTSIDE = {"sticky", "balanced", "one-source", "local", "local-elsewhere"}


def _rules(objects: Objects, node: str, backend: str, family: str) -> Rules:
    of = FAMILIES[family]
    if backend == "nftables":
        text = render_nftables(objects, node, cluster_cidr=CLUSTER_CIDR, service_cidr=SERVICE_CIDR, family=of)
        return Rules(saved_nft.parse(text))
    return Rules(saved_iptables.parse(render_iptables(objects, node, cluster_cidr=CLUSTER_CIDR, family=of), family, backend))


def _found(rules: Rules, node: str) -> list[Difference]:
    return list(differences(Desired(SEEN), SEEN.services.values(), node, rules))


@pytest.mark.parametrize("node", ["node1", "node2"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_kind_of_service_goes_to_its_endpoints(backend: str, family: str, node: str) -> None:
    rules = _rules(KNOWN, node, backend, family)
    wanted = [each.frontend.family for service in SEEN.services.values() for each in Desired(SEEN).of(service, node)]
    assert [f for f in wanted if rules.in_use(f)] == [family] * FRONTENDS
    assert _found(rules, node) == []


@pytest.mark.parametrize("node", ["node1", "node2"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_of_virtual_server_goes_to_its_endpoints(family: str, node: str) -> None:
    """IPVS does not ask where a connection comes from: with policy Local, pods go where those from outside go."""
    made = Servers(parse(render_ipvs(KNOWN, node, family=FAMILIES[family]).text), SEEN.nodes[node].addresses)
    wanted = [each for service in SEEN.services.values() for each in Desired(SEEN).of(service, node)]
    routed = [each for each in wanted if made.in_use(each.frontend.family)]
    assert [each.frontend.family for each in routed] == [family] * FRONTENDS
    found = [d for each in routed for d in of_route(each, made.route(each.frontend))]
    assert [d for d in found if d.wanted.service.external_policy == "Cluster"] == []
    here = "local-elsewhere" if node == "node2" else "local"
    assert [d for d in found if d.source is Source.OUTSIDE and d.wanted.service.name == here] == []


def _another_endpoint(_service: Api, slices: list[Api]) -> None:
    for each in slices:
        each["endpoints"][0]["addresses"] = ["fd00:244:0:9::9" if each["addressType"] == "IPv6" else "10.244.9.9"]


def _another_port(_service: Api, slices: list[Api]) -> None:
    for each in slices:
        each["ports"][0]["port"] += 1


def _no_endpoint(_service: Api, slices: list[Api]) -> None:
    for each in slices:
        each["endpoints"] = []


def _other_affinity(service: Api, _slices: list[Api]) -> None:
    spec = service["spec"]
    spec["sessionAffinity"] = "None" if spec.get("sessionAffinity") == "ClientIP" else "ClientIP"
    spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}


def _shorter_affinity(service: Api, _slices: list[Api]) -> None:
    service["spec"]["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 60}}


def _other_policy(which: str) -> Change:
    def changed(service: Api, _slices: list[Api]) -> None:
        service["spec"][which] = "Cluster" if service["spec"].get(which) == "Local" else "Local"

    return changed


CHANGES = [
    pytest.param(_another_endpoint, "endpoints", USED_HERE, id="another endpoint"),
    pytest.param(_another_port, "endpoints", USED_HERE, id="another port"),
    pytest.param(_no_endpoint, "endpoints", USED_HERE, id="no endpoint"),
    pytest.param(_other_affinity, "affinity", USED_HERE, id="affinity"),
    pytest.param(_shorter_affinity, "affinity", {"sticky", "local"}, id="a shorter time"),
    pytest.param(_other_policy("internalTrafficPolicy"), "endpoints", WITH_ENDPOINTS, id="internal policy"),
    pytest.param(_other_policy("externalTrafficPolicy"), "endpoints", FROM_OUTSIDE, id="external policy"),
]


@pytest.mark.parametrize(("change", "what", "about"), CHANGES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_services_whose_rules_were_written_for_something_else_are_named_and_no_other(
    backend: str, family: str, change: Change, what: str, about: set[str]
) -> None:
    """Every second service is changed, then the others; `about` are those for which this node's rules depend on it.

    Both backends of iptables have one text.
    """
    for changed in (NAMES[::2], NAMES[1::2]):
        found = _found(_rules(_written_for(changed, change), "node1", backend, family), "node1")
        assert {(d.wanted.service.name, d.what) for d in found} == {(name, what) for name in about.intersection(changed)}
        assert {d.wanted.frontend.family for d in found} <= {family}


def _written_for(names: Collection[str], change: Change) -> Objects:
    services: list[Api] = copy.deepcopy([*map(dict, KNOWN.services)])
    slices: list[Api] = copy.deepcopy([*map(dict, KNOWN.endpoint_slices)])
    for service in services:
        if (name := service["metadata"]["name"]) in names:
            change(service, [s for s in slices if s["metadata"]["labels"]["kubernetes.io/service-name"] == name])
    return Objects(services, slices, KNOWN.nodes)
