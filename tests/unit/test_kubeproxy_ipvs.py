"""Virtual servers as kube-proxy makes them are resolved to exactly the endpoints that the API's objects want."""

from __future__ import annotations

import json

import pytest

from deploy.lab.kubeproxy.ipvs import render_ipvs
from deploy.lab.kubeproxy.model import Family, Objects
from tests.rule_samples import DATA, VINTAGES, cluster
from workers.ipvs.routes import Servers
from workers.ipvs.saved import parse
from workers.rules.compare import of_route
from workers.rules.desired import Desired
from workers.rules.steps import Source

NODES = ("node1", "node2", "node3")


def objects(vintage: str) -> dict[str, dict[str, list[dict[str, object]]]]:
    folder = DATA / f"kube-proxy-{vintage}"
    return {kind: json.loads((folder / f"{kind}.json").read_text()) for kind in ("services", "endpointslices", "nodes")}


def servers(vintage: str, node: str, change: tuple[str, str] = ("", "")) -> Servers:
    known = objects(vintage)
    made = Objects(*(known[kind]["items"] for kind in ("services", "endpointslices", "nodes")))
    text = "".join(render_ipvs(made, node, family=family).text for family in Family)
    return Servers(parse(text.replace(*change) if change[0] else text), cluster(known).nodes[node].addresses)


def differences(vintage: str, node: str, made: Servers) -> list[tuple[str, str, Source, str]]:
    known = cluster(objects(vintage))
    desired = Desired(known)
    wanted = [each for service in known.services.values() for each in desired.of(service, node)]
    assert len(wanted) > 10
    found = [d for each in wanted if made.in_use(each.frontend.family) for d in of_route(each, made.route(each.frontend))]
    return [(d.subject, d.wanted.service.external_policy, d.source, d.what) for d in found]


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("vintage", VINTAGES)
def test_every_service_goes_to_its_endpoints(vintage: str, node: str) -> None:
    """IPVS does not ask where a connection comes from: with policy Local, pods go where those from outside go."""
    found = differences(vintage, node, servers(vintage, node))
    assert [d for d in found if d[1] == "Cluster"] == []


@pytest.mark.parametrize("vintage", VINTAGES)
def test_policy_local_keeps_traffic_from_outside_on_a_node_that_has_endpoints(vintage: str) -> None:
    found = differences(vintage, "node1", servers(vintage, "node1"))
    assert [d for d in found if d[2] is Source.OUTSIDE] == []


@pytest.mark.parametrize("vintage", VINTAGES)
def test_the_service_that_differs_is_named(vintage: str) -> None:
    made = servers(vintage, "node1", ("10.245.1.20:5432", "10.245.1.21:5432"))
    found = [d for d in differences(vintage, "node1", made) if d[1] == "Cluster"]
    assert {(subject, what) for subject, _, _, what in found} == {("shop/db:pg", "endpoints")}
