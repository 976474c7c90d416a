"""The same as `rules` for iptables alone, in both of its forms."""

from __future__ import annotations

from workers.check import Access, Check, Plan, View
from workers.checks._rules_judge import judge
from workers.checks._rules_looking import looking
from workers.checks._rules_seen import IPTABLES, Params, Seen
from workers.checks._rules_show import show


def plan(params: Params, view: View) -> Plan[Seen]:
    """Only this backend is asked for rules, and shown."""
    return (yield from looking(params, view, IPTABLES))


CHECK = Check(
    name="iptables",
    summary="The iptables rules of a service on every node, or of one node, whichever of its two forms holds them",
    access=Access.REVEAL,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("iptables hello-world", "iptables node-one", "iptables node-one table=filter chain=FORWARD"),
)
