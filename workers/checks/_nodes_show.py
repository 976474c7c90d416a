"""All nodes in one table, worst first, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from node_helper.facts.node_summary import NodeSummary
from node_helper.protocol import CannotLook
from workers.check import View
from workers.checks._node_seen import in_kernel, mode
from workers.checks._nodes_judge import of_node, worst
from workers.checks._nodes_seen import Each
from workers.model import Finding, Shown, Table

_COLUMNS = ("node", "verdict", "findings", "kernel", "rules", "kube-proxy", "conntrack", "MTU")
_OWN = frozenset({"net/netfilter/nf_conntrack_count"})  # a count, not a setting
_NAMES_SHOWN = 4


def show(params: object, view: View, seen: tuple[Each, ...]) -> Shown:  # noqa: ARG001  (every show has this shape)
    """One row a node; then one row for each thing that is not the same on all of them."""
    judged = [(each, tuple(of_node(view, each))) for each in seen]
    ranked = sorted(judged, key=lambda one: (-worst(one[1]).rank, one[0].node.name))
    differing = differences(seen)
    told = sum(not isinstance(each.summary, CannotLook) for each in seen)
    among = "" if told == len(seen) else f" among the {told} that could be looked at"
    tables = (
        Table("Nodes", tuple(_row(*one) for one in ranked), _COLUMNS),
        *((Table(f"What differs{among}", tuple(_differing(differing))),) if told else ()),
    )
    facts = {
        "nodes": [_facts(*one) for one in ranked],
        "differs": {what: dict(values) for what, values in differing.items()},
    }
    return Shown(f"{len(seen)} nodes", facts, tables)


def differences(seen: tuple[Each, ...]) -> Mapping[str, Mapping[str, str]]:
    """By what it is, the value of each node that could be looked at; only what has more than one value."""
    values: dict[str, dict[str, str]] = {}
    for each in seen:
        if not isinstance(each.summary, CannotLook):
            for what, value in _told(each, each.summary):
                values.setdefault(what, {})[each.node.name] = value
    looked = [each.node.name for each in seen if not isinstance(each.summary, CannotLook)]
    whole = {what: {name: of.get(name, "not there") for name in looked} for what, of in values.items()}
    return {what: of for what, of in whole.items() if len(set(of.values())) > 1}


def _told(each: Each, summary: NodeSummary) -> Iterator[tuple[str, str]]:
    yield "kernel", summary.kernel
    yield "helper", summary.helper
    yield "runtime", each.node.runtime
    yield "MTU", _mtus(each)
    yield "rules", _rules(summary)
    yield "kube-proxy's mode", _mode(each)
    for key, value in summary.sysctls.values.items():
        if key not in _OWN:
            yield key.replace("/", "."), value


def _differing(found: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """Each value with the nodes that have it, the most usual one first."""
    for what, by_node in found.items():
        alike: dict[str, list[str]] = {}
        for node, value in by_node.items():
            alike.setdefault(value, []).append(node)
        usual = sorted(alike.items(), key=lambda item: -len(item[1]))
        yield what, "; ".join(f"{value or 'none'}: {_names(nodes)}" for value, nodes in usual)


def _names(nodes: list[str]) -> str:
    more = f" and {len(nodes) - _NAMES_SHOWN} more" if len(nodes) > _NAMES_SHOWN else ""
    return ", ".join(sorted(nodes)[:_NAMES_SHOWN]) + more


def _row(each: Each, found: tuple[Finding, ...]) -> tuple[str, ...]:
    summary, verdict = each.summary, worst(found)
    ids = ", ".join(dict.fromkeys(f.id for f in found)) or "-"
    if isinstance(summary, CannotLook):
        return each.node.name, verdict.value, ids, each.node.kernel or "-", "-", "-", "-", "-"
    tracked = f"{summary.conntrack.count}/{summary.conntrack.maximum}" if summary.conntrack.in_use else "not in use"
    return each.node.name, verdict.value, ids, summary.kernel, _rules(summary), _mode(each) or "-", tracked, _mtus(each)


def _rules(summary: NodeSummary) -> str:
    return ", ".join(in_kernel(summary.backends)) or "none of kube-proxy's"


def _mode(each: Each) -> str:
    return mode(each.as_one) if each.as_one else ""


def _mtus(each: Each) -> str:
    return ", ".join(str(d.link.mtu) for d in each.as_one.uplinks) if each.as_one else ""


def _facts(each: Each, found: tuple[Finding, ...]) -> dict[str, Any]:
    """One node in the JSON interface; null where it could not be looked at, and for a conntrack that is not in use."""
    summary = each.summary
    known = {"node": each.node.name, "ready": each.node.ready, "verdict": worst(found).value}
    if isinstance(summary, CannotLook):
        return {**known, "kernel": None, "backends": None, "mode": None, "conntrack": None, "mtu": None, "helper": None}
    return {
        **known,
        "kernel": summary.kernel,
        "backends": list(in_kernel(summary.backends)),
        "mode": _mode(each) or None,
        "conntrack": {"count": summary.conntrack.count, "maximum": summary.conntrack.maximum}
        if summary.conntrack.in_use
        else None,
        "mtu": _mtus(each),
        "helper": summary.helper,
    }
