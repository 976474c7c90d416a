"""How many connections a node's conntrack table holds: what changing it would do on each node, before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from node_helper.changes.plan import LONGEST_HOLD_S
from node_helper.facts import change_state, kube_proxy, sysctl_files
from workers import locate
from workers.changes import _set_show
from workers.changes._set_against import against
from workers.changes._set_besides import besides, possible
from workers.changes._set_seen import One, Seen, Wish
from workers.changes.change import Change
from workers.changes.proposal import Draft
from workers.changes.values import Buckets, Count, NodesTarget, SettingName
from workers.check import Access, Ask, Check, Plan, Round, View
from workers.checks._node_seen import proxies
from workers.errors import UsageError
from workers.model import Finding, Shown
from workers.objects import Node
from workers.params import Arg, Duration
from workers.render.numbers import span

_KEY = "net.netfilter.nf_conntrack_max"


@dataclass(frozen=True)
class Params:
    """What, to which value, where, and for how long."""

    setting: Annotated[SettingName, Arg("what to set: the most entries that conntrack holds")]
    value: Annotated[Count, Arg("the new value; 256k is 262144")]
    nodes: Annotated[NodesTarget, Arg("names with commas, labels, a pool of the policy, or all", word="on")]
    hold: Annotated[Duration | None, Arg("each node puts it back by itself after so long, at most 30d", word="for")] = None
    buckets: Annotated[Buckets | None, Arg("the table's hash buckets; unsaid, a quarter of the value and no fewer than now")] = (
        None
    )
    persist: Annotated[bool, Arg("write it into /etc/sysctl.d as well, so that it outlasts a reboot")] = False


def plan(params: Params, view: View) -> Plan[Seen]:
    """One round of questions to all nodes."""
    _wish(params)
    nodes = locate.nodes(view, params.nodes)
    look = Round()
    asked = [
        (
            node,
            look.add(f"state of {node.name}", Ask(node.name, change_state.FACT, change_state.Query())),
            look.add(f"files of {node.name}", Ask(node.name, sysctl_files.FACT, sysctl_files.Query(_KEY))),
            look.add(f"kube-proxy of {node.name}", Ask(node.name, kube_proxy.FACT, kube_proxy.Query(_uids(view, node)))),
        )
        for node in nodes
    ]
    got = yield from look.ask()
    return Seen(tuple(One(node, state.of(got), files.of(got), proxy.of(got)) for node, state, files, proxy in asked))


def judge(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    """What stands against it, what to know about it, and that it can be asked for."""
    contrary = tuple(against(_wish(params), params.nodes, view, seen))
    yield from contrary
    yield from besides(_wish(params), view, seen)
    if not contrary:
        yield possible(_wish(params), view, seen)


def show(params: Params, view: View, seen: Seen) -> Shown:
    """The plan."""
    return _set_show.show(_wish(params), view, seen)


def draft(params: Params, view: View, seen: Seen) -> Draft | None:
    """Only where nothing stands against it."""
    wish = _wish(params)
    if any(True for _ in against(wish, params.nodes, view, seen)):
        return None
    shown = _set_show.show(wish, view, seen)
    warnings = tuple(finding.claim for finding in besides(wish, view, seen))
    targets = _set_show.targets(wish, seen)
    return Draft(_KEY, targets, wish.hold_s, shown.headline, shown.tables, warnings)


def _wish(params: Params) -> Wish:
    hold = params.hold.seconds if params.hold else 0
    if params.hold and not (1 <= hold <= LONGEST_HOLD_S and float(hold).is_integer()):
        raise UsageError(f"for {span(hold)}: must be whole seconds, from 1s to {LONGEST_HOLD_S // 86400}d")
    return Wish(params.value.number, params.buckets, params.persist, int(hold))


def _uids(view: View, node: Node) -> tuple[str, ...]:
    return tuple(uid for p in proxies(view, node) for uid in (p.uid, p.config_hash) if uid)


CHANGE = Change(
    check=Check(
        name="set",
        summary="Change how many connections nodes track (conntrack_max); others have to approve it",
        access=Access.CHANGE,
        params=Params,
        plan=plan,
        judge=judge,
        show=show,
        examples=(
            "set conntrack_max 198000 on node-one",
            "set conntrack_max 256k on node-one,node-two for 2h",
            "set conntrack_max 262144 on pool=workers persist",
        ),
    ),
    draft=draft,
)
