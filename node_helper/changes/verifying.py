"""Whether a grant is one for this node and for now. Nothing that it says is acted on before its signature is verified."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from node_helper.changes import installed, plan, signature
from node_helper.changes.grant import Grant, Refusal
from node_helper.changes.paths import Paths
from node_helper.changes.plan import Plan, Target
from node_helper.changes.times import rfc3339
from node_helper.codec import Malformed

SKEW_S = 60
_LONGEST = 900_000


class Refused(Exception):
    """The grant is not carried out; `refusal` for programs, the reason for people."""

    def __init__(self, refusal: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal
        self.reason = reason


@dataclass(frozen=True)
class Verified:
    """`digest` is of the signed bytes."""

    plan: Plan
    target: Target
    digest: str


def verified(grant: Grant, paths: Paths) -> Verified:
    """What a grant asks of this node. The bytes that are verified are those that were read. Raises `Refused`."""
    try:
        identity = installed.identity(paths)
    except installed.NotOffered as e:
        raise Refused("not-offered", str(e)) from e
    if len(grant.plan) > _LONGEST:
        raise Refused("malformed", f"a plan of {len(grant.plan)} characters")
    try:
        asked = plan.read(grant.plan)
    except Malformed as e:
        raise Refused("malformed", str(e)[:500]) from e
    signed = grant.plan.encode("ascii")
    wrong = signature.problem(signed, grant.signature, paths)
    if wrong:
        raise Refused("bad-signature", wrong)
    if asked.cluster != identity.cluster:
        raise Refused("wrong-cluster", f"it is for cluster {asked.cluster}, and this node is of {identity.cluster}")
    return Verified(asked, _target(asked, identity.node, paths), hashlib.sha256(signed).hexdigest())


def check_time(asked: Plan, now: float) -> None:
    """Raises `Refused` where it is from the future, or over."""
    if asked.issued > now + SKEW_S:
        reason = f"it was issued at {rfc3339(asked.issued)}, and by this node's clock it is {rfc3339(now)}"
        raise Refused("clock", f"{reason}: one of the two clocks is wrong")
    if asked.expires <= now:
        raise Refused("expired", f"it ended at {rfc3339(asked.expires)}, and by this node's clock it is {rfc3339(now)}")


def _target(asked: Plan, node: str, paths: Paths) -> Target:
    target = asked.of(node)
    if target is None:
        raise Refused("wrong-node", f"it does not name {node}, which is what this node was installed as")
    own = installed.machine_id(paths)
    if target.machine_id != own:
        raise Refused(
            "wrong-node", f"it is for the {node} with machine-id {target.machine_id}, and this one's is {own or 'not known'}"
        )
    return target
