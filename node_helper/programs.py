"""eBPF programs that see a node's packets, as records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """One attached program. `place` is xdp, "tc ingress", "tcx egress", "netkit primary", "cgroup connect4" and the like.

    `at` is a device's name or a cgroup's folder; `id` and `name` as `bpftool prog` shows them, 0 and "" where not told.
    """

    place: str
    at: str
    id: int
    name: str


@dataclass(frozen=True)
class Programs:
    """Every program that was found; `unseen` says in words at which places it could not be looked, and why."""

    programs: tuple[Program, ...]
    unseen: tuple[str, ...] = ()
