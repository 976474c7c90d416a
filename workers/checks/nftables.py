"""The same as `rules` for nftables alone."""

from __future__ import annotations

from workers.check import Access, Check, Plan, View
from workers.checks._rules_judge import judge
from workers.checks._rules_looking import looking
from workers.checks._rules_seen import NFTABLES, Params, Seen
from workers.checks._rules_show import show


def plan(params: Params, view: View) -> Plan[Seen]:
    """Only this backend is asked for rules, and shown."""
    return (yield from looking(params, view, NFTABLES))


CHECK = Check(
    name="nftables",
    summary="kube-proxy's nftables rules of a service on every node, verdict maps resolved, or those of one node",
    access=Access.REVEAL,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("nftables hello-world", "nftables node-two", "nftables node-two chain=services"),
)
