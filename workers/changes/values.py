"""The values that only changes have: what is set, to which number, on which nodes. Read and said again as those of `values`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Self

from workers.errors import UsageError, shown
from workers.values import ALL, NodeTarget, is_selector

CONNTRACK_MAX = "conntrack_max"
_SPELLINGS = frozenset({CONNTRACK_MAX, "nf_conntrack_max", "net_nf_conntrack_max", "net_netfilter_nf_conntrack_max"})
_NUMBER = re.compile(r"([0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,3}(?:_[0-9]{3}){1,3})([km]?)", re.ASCII)
_UNIT = {"": 1, "k": 1024, "m": 1024 * 1024}
"""Whoever says 256k of a table means 262144."""
_MOST = (1 << 31) - 1
_POOL = re.compile(r"pool=([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)")
_KEEP = "keep"


@dataclass(frozen=True)
class SettingName:
    """A kernel setting that can be changed, by its short name."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Any usual spelling: conntrack_max, net.netfilter.nf_conntrack_max, the path below /proc/sys, in any case."""
        name, equals, value = text.partition("=")
        known = re.sub(r"[-./]", "_", name.lower().removeprefix("/proc/sys/"))
        if known not in _SPELLINGS:
            raise UsageError(f"{shown(text)} cannot be set; what can be is {CONNTRACK_MAX}", nearest=(CONNTRACK_MAX,))
        if equals:
            raise UsageError(f"{shown(text)}: the value is a word of its own", nearest=(f"{CONNTRACK_MAX} {value}",))
        return cls(CONNTRACK_MAX)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Count:
    """How many of something, from 1 to 2147483647."""

    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`198000`, `262,144`, `262_144`, and `256k`, `1m` in steps of 1024."""
        match = _NUMBER.fullmatch(text.lower())
        if not match:
            negative = re.fullmatch(r"-[0-9.,_]+[km]?", text.lower())
            wrong = "must be more than 0" if negative else "is not a whole number such as 198000 or 256k"
            raise UsageError(f"{shown(text)} {wrong}")
        number = int(re.sub("[,_]", "", match[1])) * _UNIT[match[2]]
        if not 0 < number <= _MOST:
            raise UsageError(f"{shown(text)} must be from 1 to {_MOST}")
        return cls(number)

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True)
class Buckets:
    """How many lists the table's entries hang in; None: as many as there are."""

    number: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """A number, or `keep`."""
        return cls(None if text.lower() == _KEEP else Count.parse(text).number)

    def __str__(self) -> str:
        return _KEEP if self.number is None else str(self.number)


@dataclass(frozen=True)
class NodesTarget:
    """Nodes: by `names` (or their beginnings, or addresses), by a `selector` of their labels, of a `pool`, or `all`."""

    kind: Literal["names", "selector", "pool", "all"]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`node-one`, `node-one,node-two`, `role=worker`, `pool=NAME`, `all`."""
        if text.lower() == ALL:
            return cls("all", ())
        if match := _POOL.fullmatch(text):
            return cls("pool", (match[1],))
        if text.startswith("pool="):
            raise UsageError(f"{shown(text)} is not pool=NAME; the policy says which label of nodes that is")
        if is_selector(text):
            return cls("selector", (text,))
        found = dict.fromkeys(_node(part, text).name for part in text.split(","))
        return cls("names", tuple(found))

    def __str__(self) -> str:
        if self.kind == "names":
            return ",".join(f"node/{name}" if name == ALL else name for name in self.names)
        return ALL if self.kind == "all" else f"pool={self.names[0]}" if self.kind == "pool" else self.names[0]


def _node(part: str, text: str) -> NodeTarget:
    if not part:
        raise UsageError(f"{shown(text)}: a name is missing beside a comma")
    node = NodeTarget.parse(part)
    if node.kind not in ("", "node", "ip") or node.namespace is not None:
        raise UsageError(f"{shown(part)} is not the name of a node; say names with commas, key=value, pool=NAME or all")
    return node
