"""Run on a node by its python3: all that a question could leave there, as one JSON object of lists of strings.

Not told is what a living node changes by itself, and what the packets of a probe change rightly: counters, conntrack entries,
neighbours, logs, the pids of processes. Looking changes nothing either: a tool whose kernel module is not loaded is not asked.
"""

# A Path for each of thousands of files doubles the time.
# ruff: noqa: PTH115, PTH123, PTH208

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

# What the kernel changes while nobody asks: counters, random numbers, and what it tunes by itself.
LIVE_SYSCTLS = re.compile(
    r"/(nf_conntrack_count|random/.*|dentry-state|inode-(nr|state)|file-nr|aio-nr|ns_last_pid|pty/nr|(perf|keys|sched)_?[^/]*"
    r"|stat_refresh|usermodehelper/.*|slabinfo|tcp_mem|udp_mem|sctp_mem|print-fatal-signals|sched_domain/.*)$"
)
# In memory, and mounted somewhere of their own; what is on the root's disk is walked from the root.
IN_MEMORY = {"tmpfs", "devtmpfs", "bpf", "mqueue", "hugetlbfs", "ramfs"}
ELSEWHERE = {"/usr", "/proc", "/sys", "/sys/fs/cgroup", "/opt/lab"}
"""Not walked: the kernel's, and the lab's packages. A lab node's /usr lies over the machine's: what is written is in /.usr."""
# Databases and logs of daemons, who is logged in, and the way by which a node with a kernel of its own gets commands.
LIVE_FILES = re.compile(
    r"^/(var/log/(?!pods/[^/]*$)|run/utmp|run/docker/containerd/|var/lib/(docker|containerd)/.*\.(db|log)$|var/lab-jobs/|dev/pts/)"
)
NAMESPACE = re.compile(r"(cgroup|ipc|mnt|net|pid|time|user|uts):\[")
LOOKS = "link show\naddr show\nroute show table all\n-6 route show table all\nrule show\n-6 rule show\n"
NUMBERS = re.compile(r"^\d+ \d+ \S+ | \w+:\d+(?= )")
PASSING = re.compile(r"valid_lft \w+|preferred_lft \w+|expires \w+|timer +[\d.]+")
_FIRST_PIDS = "pid:[4026531836]"  # PROC_PID_INIT_INO (include/linux/proc_ns.h): the kernel's first, so the kernel is the node's
_CLONE_NEWNET = 0x40000000
_BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}
_BPF_NEXT = {"program": 11, "map": 12, "btf": 23, "link": 31}  # BPF_…_GET_NEXT_ID (linux/bpf.h)
_NETFILTER, _IPSET, _IPSET_LIST, _DUMP, _DONE, _ERROR = 12, 6, 7, 0x301, 3, 2  # linux/netlink.h, linux/netfilter/ipset/ip_set.h


def state(disk: str = "/") -> dict[str, list[str]]:
    """Everything, by what it is. `disk`: "" for a guest, whose disk is the whole machine's, under a layer that is forgotten."""
    processes = [name for name in os.listdir("/proc") if name.isdigit() and name != str(os.getpid())]
    mounts = _mounts(processes)
    modules = [line.split(" ", 1)[0] for line in _text("/proc/modules").splitlines()]
    return {
        "namespaces": sorted({*_namespaces(processes), *_mounted(mounts)}),
        "modules": sorted(modules),
        "bpf": list(_bpf()) if _link("/proc/1/ns/pid") == _FIRST_PIDS else [],
        "sysctls": sorted(_sysctls("/proc/sys", "/proc/sys/net")),
        "files": sorted(_files(disk, mounts[_link("/proc/1/ns/mnt")])),
        "processes": sorted(_commands(processes)),
        **{f"mounts in {space}": lines for space, lines in mounts.items()},
        **{f"{what} in {space}": said for space, path in _networks(processes).items() for what, said in _network(path)},
    }


def _mounted(mounts: dict[str, list[str]]) -> Iterator[str]:
    """The namespaces that are mounted anywhere, as `ip netns add` keeps them."""
    return (line.split(" ", 1)[0] for lines in mounts.values() for line in lines if " - nsfs " in line)


def _namespaces(processes: list[str]) -> Iterator[str]:
    """Of every kind: those of processes, and those that one keeps open."""
    for process in processes:
        for folder in ("ns", "fd"):
            for name in _names(f"/proc/{process}/{folder}"):
                link = _link(f"/proc/{process}/{folder}/{name}")
                if NAMESPACE.match(link):
                    yield link


def _networks(processes: list[str]) -> dict[str, str]:
    """A path for each network namespace: of one of its processes, or where it is mounted."""
    mounted = (line.split() for line in _text("/proc/1/mountinfo").splitlines() if " - nsfs " in line)
    found = {words[3]: words[4] for words in mounted if words[3].startswith("net:")}
    found |= {_link(f"/proc/{process}/ns/net"): f"/proc/{process}/ns/net" for process in processes}
    return {space: path for space, path in found.items() if space}


def _mounts(processes: list[str]) -> dict[str, list[str]]:
    """Those of each mount namespace, without their numbers."""
    spaces = {_link(f"/proc/{process}/ns/mnt"): process for process in processes}
    texts = {space: _text(f"/proc/{process}/mountinfo") for space, process in spaces.items() if space}
    return {space: sorted(NUMBERS.sub("", line) for line in text.splitlines()) for space, text in texts.items()}


def _network(path: str) -> Iterator[tuple[str, list[str]]]:
    """All that is of one network namespace; this process goes there and stays."""
    with open(path, "rb") as space:
        if _libc.setns(space.fileno(), _CLONE_NEWNET):
            return  # it ended meanwhile
    links = [PASSING.sub("", line) for line in _said("ip -details -batch -", LOOKS)]
    yield "devices, addresses, routes", links
    yield "traffic control", _traffic_control(re.findall(r"^\d+: ([^:@]+)", "\n".join(links), re.MULTILINE))
    yield "nft tables", _said("nft --stateless list ruleset") if _is_there("nf_tables") else []
    yield "iptables-nft rules", [*_saved("iptables-nft-save"), *_saved("ip6tables-nft-save")] if _is_there("nf_tables") else []
    yield "legacy rules", [*_legacy("ip"), *_legacy("ip6"), *_text("/proc/thread-self/net/arp_tables_names").splitlines()]
    yield "ipvs", _said("ipvsadm-save -n") if Path("/proc/thread-self/net/ip_vs").exists() else []
    yield "ipsets", list(_ipsets()) if _is_there("ip_set") else []
    yield (
        "unix sockets",
        sorted(set(re.findall(r"^(?:\S+ +){7}(\S+)$", _text("/proc/thread-self/net/unix"), re.MULTILINE)) - {"Path"}),
    )
    yield "sysctls", sorted(_sysctls("/proc/sys/net"))


def _traffic_control(devices: list[str]) -> list[str]:
    places = [f"filter show dev {device} {place}\n" for device in devices for place in ("", "ingress", "egress")]
    return _said("tc -force -batch -", "qdisc show\n" + "".join(places))


def _saved(command: str) -> Iterator[str]:
    """Rules without their counters and the time at which they were saved."""
    return (re.sub(r"\[\d+:\d+\]", "", line) for line in _said(command) if not line.startswith("#"))


def _legacy(family: str) -> Iterator[str]:
    """The rules of the tables that are there: to ask for another one makes it."""
    for table in sorted(_text(f"/proc/thread-self/net/{family}_tables_names").split()):
        yield from _saved(f"{family}tables-legacy-save -t {table}")


def _ipsets() -> Iterator[str]:
    """All sets, as the kernel tells them."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
        asked = struct.pack("=BBHHHBxxx", socket.AF_INET, 0, 0, 5, 1, 6)  # IPSET_ATTR_PROTOCOL
        kernel.send(struct.pack("=IHHII", 16 + len(asked), _IPSET << 8 | _IPSET_LIST, _DUMP, 1, 0) + asked)
        while True:
            answer, at = kernel.recv(1 << 20), 0
            while at < len(answer):
                length, kind = struct.unpack_from("=IH", answer, at)
                if kind in (_DONE, _ERROR):
                    return
                yield answer[at + 16 : at + length].hex()
                at += length + 3 & ~3


def _bpf() -> Iterator[str]:
    """What is loaded, by its numbers, which are of the whole kernel."""
    number = _BPF_SYSCALL[os.uname().machine]
    for kind, command in _BPF_NEXT.items():
        form = (ctypes.c_uint32 * 3)()  # the last, the next, flags
        while _libc.syscall(number, command, form, ctypes.sizeof(form)) == 0:
            form[0] = form[1]
            yield f"{kind} {form[0]}"


def _sysctls(folder: str, without: str = "") -> Iterator[str]:
    for entry in _walked(folder, {without}):
        if not entry.is_dir() and not LIVE_SYSCTLS.search(entry.path):
            yield f"{entry.path} = {_text(entry.path).strip()}"


def _files(disk: str, mounts: list[str]) -> Iterator[str]:
    """Kind, mode, owner, size and time of change of every file, and of those in memory wherever they are mounted."""
    words = [line.split() for line in mounts]
    memory = {point[1] for point in words if point[point.index("-") + 1] in IN_MEMORY}
    for root in {disk, *memory} - ELSEWHERE - {""}:
        for entry in _walked(root, ELSEWHERE | {point[1] for point in words}):
            if not LIVE_FILES.match(entry.path):
                yield from _file(entry)


def _walked(folder: str, without: set[str]) -> Iterator[os.DirEntry[str]]:
    """All that is below a folder; of those that are left out only the name."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # a file that is mounted, or a folder that was there only for a moment
    for entry in entries:
        yield entry
        if entry.is_dir(follow_symlinks=False) and entry.path not in without:
            yield from _walked(entry.path, without)


def _file(entry: os.DirEntry[str]) -> Iterator[str]:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return  # it was there only for a moment, and what stays is told
    size = found.st_size if stat.S_ISREG(found.st_mode) else "-"
    when = "-" if stat.S_ISCHR(found.st_mode) else found.st_ctime_ns  # a terminal's is that of its last letter
    yield f"{entry.path} {stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid} {size} {when}"


def _commands(processes: list[str]) -> Iterator[str]:
    """Command lines; which process looks, and who brought it here, is left out."""
    for process in processes:
        command = _text(f"/proc/{process}/cmdline").replace("\0", " ").strip()
        if process != str(os.getppid()) and command:
            yield command


def _is_there(module: str) -> bool:
    """A kernel without modules has all that it will ever have."""
    modules = _text("/proc/modules")
    built_in = _text(f"/lib/modules/{os.uname().release}/modules.builtin")
    return not modules or f"\n{module} " in f"\n{modules}" or f"/{module}.ko" in built_in


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall().decode(errors="replace")
    except OSError:
        return ""


def _said(command: str, asked: str = "") -> list[str]:
    return subprocess.run(command.split(), input=asked, capture_output=True, text=True, check=False).stdout.splitlines()


if __name__ == "__main__":
    json.dump(state(), sys.stdout)
