"""The same as `rules` for iptables alone, in both of its forms."""

from __future__ import annotations

from workers.check import Access, Check, Plan, View
from workers.checks import _rules_show
from workers.checks._rules_judge import judge
from workers.checks._rules_looking import looking
from workers.checks._rules_seen import Params, Seen
from workers.model import Shown

_OF = ("iptables-nft", "iptables-legacy")


def plan(params: Params, view: View) -> Plan[Seen]:
    """Only this backend is asked for rules."""
    return (yield from looking(params, view, _OF))


def show(params: Params, view: View, seen: Seen) -> Shown:
    """Only this backend is shown."""
    return _rules_show.show(params, view, seen, _OF)


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
