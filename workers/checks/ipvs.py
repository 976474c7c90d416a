"""What IPVS does for a service on every node, or all that it does on one node: virtual servers and their real servers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from node_helper.facts import ipvs, ipvs_connections
from workers import locate
from workers.check import Access, Ask, Check, Plan, View, batch
from workers.checks._ipvs_judge import judge
from workers.checks._ipvs_seen import OnNode, Seen, virtuals
from workers.checks._ipvs_show import show
from workers.errors import UsageError
from workers.objects import Node, Service
from workers.params import Arg, NodeTarget, ServiceOrNodeTarget


@dataclass(frozen=True)
class Params:
    """A service, or a node for everything on it."""

    target: Annotated[ServiceOrNodeTarget, Arg("a service, or a node for all of its virtual servers")]
    node: Annotated[NodeTarget | None, Arg("only on this node", word="on")] = None


def plan(params: Params, view: View) -> Plan[Seen]:
    """The servers on every node at once, then the connections where some could have lost theirs."""
    found = locate.service_or_node(view, params.target)
    service, nodes = (found, _nodes(params, view)) if isinstance(found, Service) else (None, [_only(params, view, found)])
    wanted = {node.name: virtuals(service, node) if service else None for node in nodes}
    asks = {n: Ask(n, ipvs.FACT, ipvs.Query(only, listing=service is None)) for n, only in wanted.items()}
    servers = yield from batch(asks)
    seen = {node: OnNode(node, answer) for node, answer in servers.items()}
    counted = yield from batch(
        {
            n: Ask(n, ipvs_connections.FACT, ipvs_connections.Query(wanted[n]))
            for n, one in seen.items()
            if one.may_lose_connections
        }
    )
    seen |= {node: replace(seen[node], connections=answer) for node, answer in counted.items()}
    return Seen(service, tuple(seen.values()), everywhere=service is not None and params.node is None)


def _nodes(params: Params, view: View) -> list[Node]:
    return [locate.node(view, params.node)] if params.node else list(view.cluster.nodes.values())


def _only(params: Params, view: View, node: Node) -> Node:
    if params.node and locate.node(view, params.node) != node:
        raise UsageError(f"{node.name} and {params.node} are two nodes; say one of them, or a service on one of them")
    return node


CHECK = Check(
    name="ipvs",
    summary="What IPVS holds for a service on every node, or all that it holds on one node",
    access=Access.REVEAL,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("ipvs hello-world", "ipvs shop/cart on node-one", "ipvs node-one"),
)
