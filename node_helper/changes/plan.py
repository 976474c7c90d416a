"""What a change is, in full: what approvers agree to, what is signed, and what the node holds against what it sees. Pure.

The signed bytes are the plan's canonical form: JSON with sorted keys, no spaces, ASCII. A node acts on no other form.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Optional

from node_helper import codec, wire
from node_helper.codec import Malformed

NAMESPACE = "netcheck"
"""Of the SSH signature (PROTOCOL.sshsig of OpenSSH): one made for something else does not count here."""
PRINCIPAL = "approver@netcheck"
"""For whom a node's allowed-signers file must name the key."""
VERSION = 1
KEYS = ("net.netfilter.nf_conntrack_max",)
"""All that can be changed."""
MOST_NODES = 1000
LONGEST_HOLD_S = 30 * 86400
_LARGEST = 1 << 31
_HEAD = "# Written by netcheck for an approved change; taken away when that is undone.\n"
_OURS = re.compile(
    re.escape(_HEAD) + r"net\.netfilter\.nf_conntrack_max = [0-9]{1,10}\n(net\.netfilter\.nf_conntrack_buckets = [0-9]{1,10}\n)?"
)
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,252}")
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
_NONCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Setting:
    """A node's conntrack limits: `value` is nf_conntrack_max, `buckets` is nf_conntrack_buckets.

    `persisted` is the whole text of the one file that we write, "" where there is none, None where the plan leaves it alone.
    """

    value: int
    buckets: int
    persisted: Optional[str] = None

    def __post_init__(self) -> None:
        for name, number in (("value", self.value), ("buckets", self.buckets)):
            if not 0 < number < _LARGEST:
                raise Malformed("is out of range", name)
        if self.persisted and not _OURS.fullmatch(self.persisted):
            raise Malformed("is no text that we write", "persisted")


@dataclass(frozen=True)
class Target:
    """One node: its installed id and machine-id (/etc/machine-id), and its setting before and after the change."""

    node: str
    machine_id: str
    before: Setting
    after: Setting

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.node):
            raise Malformed("is not the name of a node", "node")
        if not _MACHINE_ID.fullmatch(self.machine_id):
            raise Malformed("is not 32 hexadecimal digits", "machine_id")
        if (self.before.persisted is None) != (self.after.persisted is None):
            raise Malformed("must be said both before and after, or not at all", "persisted")


@dataclass(frozen=True)
class Plan:
    """A change of one key on some nodes. Times are seconds since 1970 by the approver's clock.

    `hold_s`: each node puts its setting back by itself after so many seconds, 0: never. `undoes` is the nonce of the plan that
    this one takes back, "" for a change of its own. `approval` is the id under which people agreed to it.
    """

    version: int
    cluster: str
    key: str
    approval: str
    nonce: str
    issued: int
    expires: int
    hold_s: int
    undoes: str
    targets: tuple[Target, ...]

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise Malformed(f"{self.version} is not a version that is known here", "version")
        if self.key not in KEYS:
            raise Malformed("is not on the list of what can be changed", "key")
        for name, word, shape in (
            ("cluster", self.cluster, WORD),
            ("approval", self.approval, WORD),
            ("nonce", self.nonce, _NONCE),
            ("undoes", self.undoes or self.nonce, _NONCE),
        ):
            if not shape.fullmatch(word):
                raise Malformed("has another form", name)
        if not 0 < self.issued < self.expires < 1 << 40:
            raise Malformed("does not end after it begins", "expires")
        if not 0 <= self.hold_s <= LONGEST_HOLD_S:
            raise Malformed("is out of range", "hold_s")
        if not 0 < len(self.targets) <= MOST_NODES or len({t.node for t in self.targets}) != len(self.targets):
            raise Malformed(f"must be 1 to {MOST_NODES} different nodes", "targets")

    def of(self, node: str) -> Optional[Target]:
        """What it says of this node."""
        return next((t for t in self.targets if t.node == node), None)


def canonical(plan: Plan) -> str:
    """The text that is signed."""
    return json.dumps(codec.encode(plan), sort_keys=True, separators=(",", ":"))


def read(said: str) -> Plan:
    """The plan of a canonical text. Raises `Malformed`, also for the same plan written in another way."""
    if not said.isascii():
        raise Malformed("not ASCII", "Plan")
    plan = codec.decode(Plan, wire.value(said.encode()))
    if canonical(plan) != said:
        raise Malformed("not in its canonical form", "Plan")
    return plan


def reverse(plan: Plan, nodes: tuple[str, ...], *, approval: str, nonce: str, issued: int, expires: int) -> Plan:
    """What takes it back on those of its nodes."""
    targets = tuple(replace(t, before=t.after, after=t.before) for t in plan.targets if t.node in nodes)
    return replace(
        plan, approval=approval, nonce=nonce, issued=issued, expires=expires, hold_s=0, undoes=plan.nonce, targets=targets
    )


def text(value: int, buckets: Optional[int]) -> str:
    """The file that makes a value last over reboots (sysctl.d(5)); the buckets where the plan changes them."""
    more = "" if buckets is None else f"net.netfilter.nf_conntrack_buckets = {buckets}\n"
    return f"{_HEAD}net.netfilter.nf_conntrack_max = {value}\n{more}"
