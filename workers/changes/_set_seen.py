"""What the change `set` saw of its nodes, and what it would make of each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from node_helper.changes import plan
from node_helper.changes.plan import Setting
from node_helper.facts.change_state import ChangeState
from node_helper.facts.kube_proxy import KubeProxy
from node_helper.facts.sysctl_files import Assignment, SysctlFiles, normal
from node_helper.protocol import CannotLook
from workers.changes import _kube_proxy as arithmetic
from workers.changes.values import Buckets
from workers.check import View
from workers.model import Evidence, Finding, Severity
from workers.objects import Node, ProxyConfig

FILE = "/etc/sysctl.d/90-netcheck.conf"
"""The one file that we write on a node."""
_PER_BUCKET = 4
"""Entries for a list: what kube-proxy keeps to (it makes the table's lists a quarter of its maximum, and never fewer)."""
ENTRY_BYTES = 320
"""An entry where the node does not tell: struct nf_conn, in its cache line's alignment, on 64 bits."""
EXTENSION_BYTES = 128
"""What hangs on most entries beside that: translations, counters, labels (struct nf_ct_ext)."""


@dataclass(frozen=True)
class Wish:
    """What was asked for. `hold_s` 0: for good."""

    value: int
    buckets: Buckets | None
    persist: bool
    hold_s: int


@dataclass(frozen=True)
class One:
    """A node: `CannotLook` where looking failed."""

    node: Node
    state: ChangeState | CannotLook
    files: SysctlFiles | CannotLook
    proxy: KubeProxy | CannotLook

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    @property
    def now(self) -> Setting | None:
        """What it holds, where that is known."""
        return self.state.setting if isinstance(self.state, ChangeState) else None


@dataclass(frozen=True)
class Seen:
    """The nodes in the order of their names."""

    nodes: tuple[One, ...]

    @property
    def states(self) -> tuple[tuple[One, ChangeState], ...]:
        """Those that answered."""
        return tuple((one, one.state) for one in self.nodes if isinstance(one.state, ChangeState))

    @property
    def same_machine(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Machine-ids that several of the nodes have, with their names."""
        times = Counter(state.machine_id for _, state in self.states)
        return tuple((m, tuple(o.name for o, s in self.states if s.machine_id == m)) for m, n in sorted(times.items()) if n > 1)


@dataclass(frozen=True)
class Point:
    """One thing that a node shows; `source` and `value` are its evidence."""

    id: str
    claim: str
    source: str
    value: str
    fix: str

    def finding(self, view: View, node: str, severity: Severity) -> Finding:
        """As everybody gets it."""
        evidence = (Evidence(self.source, self.value, view.now),)
        return Finding(self.id, severity, self.claim, evidence, f"Another answer of {node}.", self.fix, node=node)


@dataclass(frozen=True)
class Memory:
    """In bytes: `entries` is about what the table's entries take when it is full, `lists` what its lists take at once."""

    entries: int
    lists: int

    @property
    def whole(self) -> int:
        """Both."""
        return self.entries + self.lists


def memory(state: ChangeState, setting: Setting) -> Memory:
    """What the table takes under a setting."""
    each = (state.entry_bytes or ENTRY_BYTES) + EXTENSION_BYTES
    return Memory(setting.value * each, setting.buckets * state.bucket_bytes)


def before_and_after(wish: Wish, state: ChangeState) -> tuple[Setting, Setting] | None:
    """What the plan says of a node; None where what it holds is not known. The file is spoken of where it is to persist."""
    if state.setting is None:
        return None
    before = replace(state.setting, persisted=(state.setting.persisted or "") if wish.persist else None)
    buckets = _buckets(wish, state, before.buckets)
    text = plan.text(wish.value, None if buckets == before.buckets else buckets) if wish.persist else None
    return before, Setting(wish.value, buckets, text)


def _buckets(wish: Wish, state: ChangeState, now: int) -> int:
    """The number asked for, else what kube-proxy would keep to, and never fewer than there are; as the kernel rounds it."""
    enough = max(now, -(-wish.value // _PER_BUCKET))
    wanted = enough if wish.buckets is None else wish.buckets.number or now
    return now if wanted == now else -(-wanted // state.bucket_multiple) * state.bucket_multiple


def differs(wish: Wish, state: ChangeState) -> bool:
    """Whether anything would change there."""
    both = before_and_after(wish, state)
    return both is not None and both[0] != both[1]


def values(view: View, nodes: Sequence[One]) -> tuple[Evidence, ...]:
    """What they hold, as evidence: each value once, with how many of them hold it."""
    held = Counter(one.now.value for one in nodes if one.now is not None)
    return tuple(
        Evidence(f"nf_conntrack_max on {many} node{'s' if many > 1 else ''}", str(value), view.now)
        for value, many in held.items()
    )


def proxy_settings(one: One, config: ProxyConfig | None) -> arithmetic.Settings | str:
    """Those of the node's kube-proxy; a text says why they are not known, "" where none runs."""
    return one.proxy.reason if isinstance(one.proxy, CannotLook) else arithmetic.settings(one.proxy, config)


def later(files: SysctlFiles) -> tuple[Assignment, ...]:
    """The lines that count more than those of our file, since they name the setting and come after it."""
    named = [a for a in files.assignments if a.value is not None and normal(a.key) == files.key and a.path != FILE]
    return tuple(a for a in named if _place(a.path) > _place(FILE))


def _place(path: str) -> tuple[bool, str]:
    """The order in which files are applied: by their names, /etc/sysctl.conf last (procps; systemd does not read it)."""
    return path == "/etc/sysctl.conf", path.rsplit("/", 1)[-1]
