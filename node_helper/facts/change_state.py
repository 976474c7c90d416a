"""How this node stands to a change of its conntrack limits: all that a plan shows of it, and what became of those made before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from node_helper.changes.grant import Done
from node_helper.changes.plan import Setting
from node_helper.kernel import Kernel
from node_helper.protocol import Fact

_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"
_SLABS = ("/sys/kernel/slab/nf_conntrack*/slab_size", "/sys/kernel/slab/nf_conntrack*/object_size")
_CPUS = "/sys/devices/system/cpu/"


@dataclass(frozen=True)
class Query:
    """There is one table that counts: that of the node's first namespace."""


@dataclass(frozen=True)
class ChangeState:
    """`offered`: this helper takes grants; `why_not` says why it does not. `now` is this node's clock, seconds since 1970.

    `setting` is None, with the reason in `unreadable`, where conntrack is not in use. In it `persisted` is None where our file's
    place is taken by what we did not write; then `file_problem` says by what, or why it could not be written. `unwritable` says
    why the kernel would not take another setting here. `entry_bytes` is the slab's size of one entry (without its extensions),
    None where this kernel does not tell; the number of buckets must be a multiple of `bucket_multiple`. Memory is in bytes.
    `cpus_online` is what kube-proxy counts for its maxPerCore. `systemd`: an undo by itself outlives a restart of the node.
    `recent` are the latest changes, oldest first, as they stand now; `lost` says why they are not known.
    """

    offered: bool
    why_not: str
    cluster: str
    node: str
    machine_id: str
    now: float
    setting: Optional[Setting]
    unreadable: str
    unwritable: str
    file_problem: str
    count: Optional[int]
    entry_bytes: Optional[int]
    bucket_bytes: int
    bucket_multiple: int
    memory_total: Optional[int]
    memory_available: Optional[int]
    cpus_online: Optional[int]
    cpus_possible: Optional[int]
    systemd: bool
    recent: tuple[Done, ...]
    lost: str


def collect(kernel: Kernel, query: Query) -> ChangeState:  # noqa: ARG001  (every fact takes one)
    """Read files; a change that is being made meanwhile is not waited for."""
    standing = kernel.changes()
    memory = kernel.read("/proc/meminfo") or ""
    return ChangeState(
        offered=not standing.why_not,
        why_not=standing.why_not,
        cluster=standing.cluster,
        node=standing.node,
        machine_id=standing.machine_id,
        now=kernel.now(),
        setting=standing.setting,
        unreadable=standing.unreadable,
        unwritable=standing.unwritable,
        file_problem=standing.file_problem,
        count=_number(kernel.read_in(kernel.own_netns(), _COUNT)),
        entry_bytes=_entry_bytes(kernel),
        bucket_bytes=standing.bucket_bytes,
        bucket_multiple=standing.bucket_multiple,
        memory_total=_kibibytes(memory, "MemTotal"),
        memory_available=_kibibytes(memory, "MemAvailable"),
        cpus_online=_cpus(kernel.read(_CPUS + "online")),
        cpus_possible=_cpus(kernel.read(_CPUS + "possible")),
        systemd=standing.systemd,
        recent=standing.recent,
        lost=standing.lost,
    )


def _entry_bytes(kernel: Kernel) -> Optional[int]:
    """What the allocator takes for one: by sysfs, or by slabinfo(5), where the cache may have the name of a namespace."""
    for pattern in _SLABS:
        for text in kernel.files_in(kernel.own_netns(), (pattern,)).values():
            if (size := _number(text)) is not None:
                return size
    found = re.search(r"^nf_conntrack(?:_[0-9a-f]+)? +\d+ +\d+ +(\d+) ", kernel.read("/proc/slabinfo") or "", re.MULTILINE)
    return int(found[1]) if found else None


def _kibibytes(memory: str, name: str) -> Optional[int]:
    found = re.search(rf"^{name}: +(\d+) kB$", memory, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _cpus(ranges: Optional[str]) -> Optional[int]:
    """How many a list such as "0-3,5" names."""
    if not ranges or not re.fullmatch(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", ranges.strip()):
        return None
    ends = [one.split("-") for one in ranges.strip().split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


def _number(text: Optional[str]) -> Optional[int]:
    return int(text) if text is not None and text.strip().isdigit() and text.isascii() else None


FACT = Fact(name="change_state", query=Query, answer=ChangeState, collect=collect)
