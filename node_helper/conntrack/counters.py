"""How full the table is, and what happened to packets and entries on each processor since the node started."""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass
from typing import Iterator

from node_helper.linux.netlink import Malformed, attributes, messages, unpack

_HEAD = struct.Struct("=BBH")  # struct nfgenmsg; the resource id is the processor
_U32 = struct.Struct(">I")
_ENTRIES = 1  # CTA_STATS_GLOBAL_ENTRIES
_CPU, _GLOBAL = 0x104, 0x105  # IPCTNL_MSG_CT_GET_STATS_CPU and _STATS
_DONE = 3
NAMES = {
    2: "found", 4: "invalid", 8: "insert", 9: "insert_failed", 10: "drop", 11: "early_drop", 12: "error", 13: "search_restart",
    14: "clash_resolve", 15: "chaintoolong",
}  # fmt: skip
"""enum ctattr_stats_cpu as `conntrack -S` names and prints it; kernels have stopped counting the others."""
_HEX = re.compile(r"[0-9a-f]+")
_IN_PROC = {"search_restart": "search_restart", "icmp_error": "error", "clashres": "clash_resolve", "chainlength": "chaintoolong"}


@dataclass(frozen=True)
class Cpu:
    """The counters of one processor, by the names of `conntrack -S`; a counter that this kernel does not have is left out."""

    cpu: int
    counters: dict[str, int]


def of_cpus(data: bytes) -> tuple[list[Cpu], bool]:
    """The processors in one datagram of a dump, and whether it ends there. Raises `Malformed`."""
    found: list[Cpu] = []
    for kind, _, _, body in messages(data):
        if kind == _DONE:
            return found, True
        if kind != _CPU:
            raise Malformed(f"a netlink message of type {kind} where counters belong")
        cpu = socket.ntohs(unpack(_HEAD, body)[2])
        known = attributes(body, _HEAD.size).items()
        found.append(Cpu(cpu, {NAMES[n]: unpack(_U32, value)[0] for n, value in sorted(known) if n in NAMES}))
    return found, False


def count(data: bytes) -> int:
    """The number of entries, from the answer to IPCTNL_MSG_CT_GET_STATS. Raises `Malformed`."""
    for kind, _, _, body in messages(data):
        if kind == _GLOBAL:
            return unpack(_U32, attributes(body, _HEAD.size).get(_ENTRIES, b""))[0]
    raise Malformed("no count in the kernel's answer")


def of_proc(text: str) -> tuple[Cpu, ...]:
    """The processors in /proc/net/stat/nf_conntrack: a line of names, and a line of hexadecimal numbers each."""
    head, *lines = text.splitlines() or [""]
    return tuple(Cpu(number, dict(_named(head.split(), line.split()))) for number, line in enumerate(lines))


def _named(heads: list[str], values: list[str]) -> Iterator[tuple[str, int]]:
    if len(heads) != len(values):
        raise Malformed(f"/proc/net/stat/nf_conntrack: {len(values)} numbers under {len(heads)} names")
    known = set(NAMES.values())
    for head, value in zip(heads, values):
        name = _IN_PROC.get(head, head)
        if not _HEX.fullmatch(value):
            raise Malformed(f"/proc/net/stat/nf_conntrack: {value[:20]!r} is no number")
        if name in known:
            yield name, int(value, 16)
