"""Where a service's packets go by the rules of every node, whatever backends hold them; or all that one node holds."""

from __future__ import annotations

from workers.check import Access, Check
from workers.checks._rules_judge import judge
from workers.checks._rules_looking import looking
from workers.checks._rules_seen import Params
from workers.checks._rules_show import show

CHECK = Check(
    name="rules",
    summary="The rules of a service on every node as a tree, with endpoints and chances, or all rules of one node",
    access=Access.REVEAL,
    params=Params,
    plan=looking,
    judge=judge,
    show=show,
    examples=(
        "rules hello-world",
        "rules shop/cart on node-one",
        "rules node-one",
        "rules node-one table=nat chain=KUBE-SERVICES",
    ),
)
