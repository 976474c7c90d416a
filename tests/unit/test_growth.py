"""Cost grows with what is asked, not with its square: many services, nodes and virtual servers go through the cluster once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from node_helper.facts.backends import Backends
from node_helper.facts.ipvs import Ipvs
from node_helper.facts.ipvs_connections import Destination, IpvsConnections
from node_helper.facts.node_summary import NodeSummary
from node_helper.ipvs import RealServer, Table, Timeouts, Towards, VirtualServer
from tests.cases.test_cases import Pretended, view_of
from tests.cases.world import world
from tests.walked import Walked
from workers import locate, runner
from workers.catalogue import catalogue
from workers.check import Ask, View
from workers.model import Report
from workers.objects import Endpoint
from workers.params import PodTarget, ServiceTarget, build
from workers.runner import run

MANY = 30


@dataclass
class Big:
    """A cluster of many services without a ready endpoint and many nodes, with its kinds counted."""

    view: View
    answers: dict[str, Any]
    change: Callable[[Any, Ask[Any, Any]], Any] = lambda answer, _: answer

    def ask(self, command: str, **words: str) -> Report:
        check = catalogue()[command]
        nodes = Changed(self.answers, self.change)
        return asyncio.run(run(check, build(check.params, words), self.view, nodes, lambda: 0.0))

    def walks(self) -> dict[str, int]:
        kinds: dict[str, Any] = {kind: getattr(self.view.cluster, kind) for kind in ("pods", "nodes", "services", "slices")}
        return {kind: each.walks for kind, each in kinds.items()}


class Changed(Pretended):
    """Nodes of which each answers in its own way."""

    def __init__(self, answers: dict[str, Any], change: Callable[[Any, Ask[Any, Any]], Any]) -> None:
        super().__init__(answers)
        self._change = change

    def _answer(self, ask: Ask[Any, Any]) -> Any:
        return self._change(super()._answer(ask), ask)


@pytest.fixture
def big() -> Big:
    made = world({})
    view = view_of(made)
    known = view.cluster
    service = next(s for s in known.services.values() if s.cluster_ips and s.selector)
    piece = known.slices_of[service.key][0]
    services = [replace(service, name=f"web-{n}", cluster_ips=(f"10.97.0.{n}",)) for n in range(MANY)]
    dead = (Endpoint(("10.244.9.9",), ready=False, serving=False),)
    slices = [replace(piece, name=s.name, service=s.name, endpoints=dead) for s in services]
    node = known.nodes["node1"]
    nodes = {name: replace(node, name=name) for name in (f"node{n}" for n in range(MANY))}
    pods = Walked({p.key: replace(p, ready=False) for p in known.pods.values()})
    kinds = replace(known, pods=pods, services=Walked({s.key: s for s in services}))
    cluster = replace(kinds, nodes=Walked(nodes), slices=Walked({s.key: s for s in slices}))
    return Big(replace(view, cluster=cluster), made["answers"])


def test_dead_services_look_for_their_pods_together(big: Big) -> None:
    report = big.ask("services", namespace="all")
    why = [f.claim for f in report.findings if f.id == "service-no-endpoints"]
    assert len(why) == MANY
    assert all("none is ready" in claim for claim in why)
    assert big.walks()["pods"] == 1


def virtual(address: str, port: int) -> VirtualServer:
    return VirtualServer(4, "TCP", address, port, "rr", real_servers=(RealServer("10.244.9.9", 80, "Masq", 1),))


def in_ipvs(answer: Any, ask: Ask[Any, Any]) -> Any:
    """Every service is in IPVS, and its connections lead to a pod that is gone."""
    if isinstance(answer, Backends):
        return replace(answer, tables=(), ipvs=True)
    wanted = getattr(ask.query, "only", None) or [virtual(f"10.97.0.{n}", 80) for n in range(MANY)]
    if isinstance(answer, Ipvs):
        servers = tuple(virtual(one.address, one.port) for one in wanted)
        return replace(answer, table=Table("1.2.1", 1, Timeouts(1, 1, 1), servers), device=True)
    if isinstance(answer, IpvsConnections):
        to = [Towards("TCP", one.address, one.port, "10.9.9.9", 80, "ESTABLISHED", 1, 1) for one in wanted]
        return replace(answer, total=len(to), destinations=tuple(Destination(each, 0) for each in to))
    return answer


@pytest.mark.parametrize("command", ["ipvs", "rules"])
def test_nodes_with_virtual_servers_share_what_is_wanted_of_a_service(big: Big, command: str) -> None:
    big.change = in_ipvs
    report = big.ask(command, target="web-1")
    assert sum(f.id == "service-rules-drift" for f in report.findings) == MANY
    assert max(big.walks().values()) <= 5


def test_the_virtual_servers_of_a_node_find_their_services_and_pods_together(big: Big) -> None:
    big.change = in_ipvs
    report = big.ask("ipvs", target="node/node1")
    assert sum(f.id == "ipvs-dead-destination" for f in report.findings) == MANY
    assert max(big.walks().values()) <= 5


class Compared(str):
    """Text that counts how often it was compared."""

    __slots__ = ()
    times = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return str.__eq__(self, other)


def test_what_differs_between_nodes_is_sorted_by_its_values_not_compared_one_by_one(big: Big) -> None:
    def own(answer: Any, ask: Ask[Any, Any]) -> Any:
        return replace(answer, kernel=Compared(ask.node)) if isinstance(answer, NodeSummary) else answer

    big.change, Compared.times = own, 0
    report = big.ask("nodes")
    assert len(report.shown.facts["differs"]["kernel"]) == MANY
    assert Compared.times <= MANY


def test_a_pod_or_service_by_its_whole_name_is_not_searched_for(big: Big) -> None:
    pod, service = next(iter(big.view.cluster.pods.values())), next(iter(big.view.cluster.services.values()))
    before = big.walks()
    assert locate.pod(big.view, PodTarget("", pod.name, pod.namespace)).pod == pod
    assert locate.service(big.view, ServiceTarget("", service.name, service.namespace)) == service
    assert big.walks() == before


def test_a_pod_by_its_address_is_found_without_looking_at_the_others_again(big: Big) -> None:
    pods = list(big.view.cluster.pods.values())
    before = big.walks()["pods"]
    for pod in pods:
        assert pod in (found := locate.pod(big.view, PodTarget("ip", pod.ips[0]))).others or found.pod == pod
    assert big.walks()["pods"] == before + 1


class Troubles(tuple[str, ...]):
    """The troubles of nodes, which count how often somebody went through them."""

    __slots__ = ()
    walks = 0

    def __iter__(self) -> Iterator[str]:
        Troubles.walks += 1
        return super().__iter__()


def test_each_node_is_judged_once_for_the_findings_and_once_for_the_table(big: Big) -> None:
    nodes = {name: replace(node, troubles=Troubles()) for name, node in big.view.cluster.nodes.items()}
    big.view = replace(big.view, cluster=replace(big.view.cluster, nodes=nodes))
    Troubles.walks = 0
    big.ask("nodes")
    assert Troubles.walks == 2 * MANY


def test_what_nodes_answered_of_a_service_is_not_gone_through_for_each_of_them(big: Big) -> None:
    check = catalogue()["rules"]
    params = build(check.params, {"target": "web-1"})
    seen = asyncio.run(runner._performed(check.plan(params, big.view), Changed(big.answers, big.change), {}))
    found = Walked(seen.found)
    shown = check.show(params, big.view, replace(seen, found=found))
    assert all(shown.facts["nodes"][node]["ways"] for node in big.view.cluster.nodes)
    assert found.walks <= 10


def test_pods_that_all_have_one_address_are_one_finding(big: Big) -> None:
    pod = next(p for p in big.view.cluster.pods.values() if not p.host_network and p.phase == "Running")
    pods = {one.key: one for one in (replace(pod, name=f"web-{n:02d}", ips=("10.244.7.7",)) for n in range(MANY))}
    big.view = replace(big.view, cluster=replace(big.view.cluster, pods=pods))
    (found,) = (f for f in big.ask("pods", namespace="all").findings if f.id == "duplicate-pod-ip")
    named = ", ".join(f"default/web-{n:02d}" for n in range(1, 6))
    assert found.claim == f"default/web-00 and {named} and {MANY - 6} more all have the address 10.244.7.7"
    assert len(found.evidence) == 6
