"""The check `nodes` of many nodes: each is judged by its own pods, not by going through all of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.cases.test_cases import Pretended, view_of
from tests.cases.world import world
from tests.walked import Walked
from workers.checks.nodes import CHECK, Params
from workers.runner import run

NODES = 20


def test_the_pods_of_the_cluster_are_gone_through_once_however_many_nodes_there_are() -> None:
    made = world({})
    view = view_of(made)
    pods, node = Walked(view.cluster.pods), view.cluster.nodes["node1"]
    many = {f"node{n}": replace(node, name=f"node{n}") for n in range(NODES)}
    view = replace(view, cluster=replace(view.cluster, pods=pods, nodes=many))
    report = asyncio.run(run(CHECK, Params(), view, Pretended(made["answers"]), lambda: 0.0))
    assert len(report.shown.facts["nodes"]) == NODES
    assert pods.walks == 1
