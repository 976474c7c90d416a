"""One node on one page: who moves its packets, its settings, how full its tables are, what it drops, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from node_helper.facts import (
    backends,
    chain_rules,
    conntrack_stats,
    dataplane,
    devices,
    forward_policy,
    kernel_log,
    kube_proxy,
    neighbour_stats,
    netstat,
    softnet,
    sysctls,
)
from node_helper.netfilter.records import Ruleset
from node_helper.protocol import CannotLook
from node_helper.records import ForwardChain
from workers import locate
from workers.check import Access, Ask, Check, Plan, Round, Samples, View, batch
from workers.checks._node_judge import judge
from workers.checks._node_seen import Counted, Seen, Settings, dropping, pods_of, proxies
from workers.checks._node_show import show
from workers.objects import Node
from workers.params import Arg, NodeTarget

_APART_S = 1.0
_AWAY = frozenset({"unreachable", "host-key", "missing-helper", "denied", "old-helper"})


@dataclass(frozen=True)
class Params:
    """Which node."""

    node: Annotated[NodeTarget, Arg("the node: its name, a prefix or an address")]


def plan(params: Params, view: View) -> Plan[Seen]:
    """One round of what stands still, then two samples of what moves; a node that cannot be asked is asked once."""
    node = locate.node(view, params.node)
    settings = yield from _settings(view, node)
    seen = Seen(node, settings, pods=pods_of(view, node))
    if isinstance(settings.sysctls, CannotLook) and settings.sysctls.kind in _AWAY:
        return seen
    counted = yield from _counted(node)
    return replace(seen, counted=counted, forward_rules=(yield from _forward_rules(node, counted)))


def _settings(view: View, node: Node) -> Plan[Settings]:
    look = Round()
    pods = tuple(uid for p in proxies(view, node) for uid in (p.uid, p.config_hash) if uid)
    values = look.add("sysctls", Ask(node.name, sysctls.FACT, sysctls.Query()))
    programs = look.add("dataplane", Ask(node.name, dataplane.FACT, dataplane.Query()))
    proxy = look.add("kube-proxy", Ask(node.name, kube_proxy.FACT, kube_proxy.Query(pods)))
    log = look.add("kernel log", Ask(node.name, kernel_log.FACT, kernel_log.Query()))
    tables = look.add("backends", Ask(node.name, backends.FACT, backends.Query()))
    got = yield from look.ask()
    return Settings(values.of(got), programs.of(got), proxy.of(got), log.of(got), tables.of(got))


def _counted(node: Node) -> Plan[Counted]:
    """Sampled all at once, so that the waiting is done once."""
    look, name = Round(), node.name
    protocols = look.add("netstat", Ask(name, netstat.FACT, netstat.Query()))
    processors = look.add("softnet", Ask(name, softnet.FACT, softnet.Query()))
    neighbours = look.add("neighbours", Ask(name, neighbour_stats.FACT, neighbour_stats.Query()))
    links = look.add("devices", Ask(name, devices.FACT, devices.Query()))
    forward = look.add("forward", Ask(name, forward_policy.FACT, forward_policy.Query()))
    tracked = look.add("conntrack", Ask(name, conntrack_stats.FACT, conntrack_stats.Query()))
    got = yield from look.twice(_APART_S)
    return Counted(
        netstat=protocols.sampled(got),
        softnet=processors.sampled(got),
        neighbours=neighbours.sampled(got),
        devices=links.sampled(got),
        forward=forward.sampled(got),
        conntrack=tracked.sampled(got),
    )


def _forward_rules(node: Node, counted: Counted) -> Plan[dict[ForwardChain, Ruleset | CannotLook]]:
    """The rules before a policy that drops packets right now; nothing is asked where none does."""
    found = [chain for chain, _ in dropping(counted.forward)] if isinstance(counted.forward, Samples) else []
    asks = {str(number): _chain(node, chain) for number, chain in enumerate(found) if chain.family in ("ip", "ip6")}
    answers = yield from batch(asks)
    return {found[int(number)]: answer for number, answer in answers.items()}


def _chain(node: Node, chain: ForwardChain) -> Ask[chain_rules.Query, Ruleset]:
    """iptables-nft's tables are nftables' too, under the names that iptables has for them."""
    backend: Literal["iptables-nft", "iptables-legacy", "nftables"] = "nftables"
    if chain.backend == "iptables-legacy":
        backend = "iptables-legacy"
    elif chain.name == "FORWARD" and chain.table in ("filter", "mangle"):
        backend = "iptables-nft"
    return Ask(
        node.name, chain_rules.FACT, chain_rules.Query(backend, "ip" if chain.family == "ip" else "ip6", chain.table, chain.name)
    )


CHECK = Check(
    name="node",
    summary="A node's settings, who moves its packets, how full its tables are, what it drops, and what is wrong",
    access=Access.REVEAL,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("node node-one", "node 10.0.0.11"),
    aliases=("no",),
)
