"""Which eBPF programs see the packets of the calling thread's namespace, by rtnetlink and, where it may be asked, by bpf(2)."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Callable, Mapping, Optional

from node_helper.linux import bpf, files
from node_helper.linux.netlink import connect
from node_helper.linux.rtnetlink import classifiers
from node_helper.programs import Program, Programs

_MOST = 4000
_TCX = {46: "tcx ingress", 47: "tcx egress"}  # BPF_TCX_INGRESS, BPF_TCX_EGRESS
_NETKIT = {54: "netkit primary", 55: "netkit peer"}
_CGROUP = {
    0: "cgroup ingress",
    1: "cgroup egress",
    10: "cgroup connect4",
    11: "cgroup connect6",
    14: "cgroup sendmsg4",
    15: "cgroup sendmsg6",
}  # enum bpf_attach_type
_MOUNTS = "/proc/thread-self/mountinfo"
_MOUNT_POINT = 4

Devices = Mapping[int, tuple[str, str]]


def read() -> Programs:
    """Programs on devices, and at the root of the cgroups: there they stand between sockets and service addresses."""
    with closing(connect()) as netlink:
        devices, xdp = classifiers.devices_and_xdp(netlink)
        names = {index: name for index, (name, _) in devices.items()}
        found = (*xdp, *classifiers.read(netlink, names))
    unseen: tuple[str, ...] = ()
    for look, what in ((partial(_on_devices, devices), "tcx and netkit"), (_on_root_cgroup, "the root cgroup")):
        more, why = _asked(look, what)
        found, unseen = found + more, unseen + why
    if len(found) > _MOST:
        found, unseen = found[:_MOST], (*unseen, f"{len(found) - _MOST} more programs")
    named, why = _asked(lambda: tuple(map(_named, found)), "names of programs")
    return Programs(named or found, unseen + why)


def _asked(look: Callable[[], tuple[Program, ...]], what: str) -> tuple[tuple[Program, ...], tuple[str, ...]]:
    """What bpf(2) tells, or why it does not: netlink's part of the answer stands without it."""
    try:
        return look(), ()
    except OSError as e:
        return (), (f"{what}: bpf(2): {e.strerror}",)


def _on_devices(devices: Devices) -> tuple[Program, ...]:
    return tuple(
        Program(place, name, number, "")
        for index, (name, kind) in devices.items()
        for attach, place in {**_TCX, **(_NETKIT if kind == "netkit" else {})}.items()
        for number in bpf.attached(index, attach)
    )


def _on_root_cgroup() -> tuple[Program, ...]:
    root = root_cgroup(files.read(_MOUNTS, 1 << 20) or "")
    if root is None:
        return ()  # programs need cgroup v2
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return tuple(
            Program(place, root, number, "") for attach, place in _CGROUP.items() for number in bpf.attached(folder, attach)
        )
    finally:
        os.close(folder)


def root_cgroup(mounts: str) -> Optional[str]:
    """Where the hierarchy of cgroup v2 is mounted, by the lines of mountinfo (proc(5)); None where it is not."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        words = before.split()
        if after.split(" ", 1)[0] == "cgroup2" and len(words) > _MOUNT_POINT:
            return words[_MOUNT_POINT]
    return None


def _named(program: Program) -> Program:
    return program if program.name or not program.id else replace(program, name=bpf.name(program.id))
