"""Run on a node by its python3: all that a question could leave there, as one JSON object of strings and lists.

Not told is what a living node changes by itself, and what the packets of a probe change rightly: counters, conntrack entries,
neighbours, logs, the pids of processes.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")

# What the kernel changes while nobody asks: counters, random numbers, and what it tunes by itself.
LIVE_SYSCTLS = re.compile(
    r"/(nf_conntrack_count|random/.*|dentry-state|inode-(nr|state)|file-nr|aio-nr|ns_last_pid|pty/nr|(perf|keys|sched)_?[^/]*"
    r"|stat_refresh|usermodehelper/.*|slabinfo|tcp_mem|udp_mem|sctp_mem|print-fatal-signals|sched_domain/.*)$"
)
FOLDERS = ("/etc", "/run", "/var", "/tmp", "/usr/local", "/root", "/home", "/mnt")  # noqa: S108  (they are looked at)
# Databases and logs of daemons, and who is logged in.
LIVE_FILES = re.compile(r"^/(var/log/(?!pods/[^/]*$)|run/utmp|run/docker/containerd/|var/lib/(docker|containerd)/.*\.(db|log)$)")
IP = ("ip", "-details", "-batch", "-")
LOOKS = "link show\naddr show\nroute show table all\n-6 route show table all\nrule show\n-6 rule show\n"
PASSING = re.compile(r"valid_lft \w+|preferred_lft \w+|expires \w+|timer +[\d.]+")


def state() -> dict[str, object]:
    """Everything, by what it is."""
    spaces = dict(_namespaces())
    return {
        "namespaces": sorted(spaces),
        "modules": sorted(line.split()[0] for line in _text(_PROC / "modules").splitlines()),
        "mounts": sorted(line.split(" - ")[0].split(" ", 3)[3] for line in _text(_PROC / "1/mountinfo").splitlines()),
        "sysctls": sorted(_sysctls("/proc/sys")),
        "files": sorted(_files()),
        "processes": sorted(_processes()),
        "unix sockets": sorted({words[7] for words in map(str.split, _text(_PROC / "net/unix").splitlines()) if len(words) > 7}),
        **{f"{what} in {inode}": said for inode, pid in spaces.items() for what, said in _network(pid)},
    }


def _namespaces() -> Iterator[tuple[str, str]]:
    """A process for each network namespace."""
    for process in _PROC.glob("[0-9]*"):
        try:
            yield str((process / "ns/net").readlink()), process.name
        except OSError:
            continue  # it ended meanwhile


def _network(pid: str) -> Iterator[tuple[str, list[str]]]:
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net"]
    yield "devices, addresses, routes", [PASSING.sub("", line) for line in _said([*inside, *IP], LOOKS)]
    yield "nft tables", _said([*inside, "nft", "--stateless", "list", "ruleset"])
    yield "iptables-nft rules", [line for save in ("iptables", "ip6tables") for line in _saved([*inside, f"{save}-nft-save"])]
    names = "cat /proc/thread-self/net/ip_tables_names /proc/thread-self/net/ip6_tables_names 2>&1"
    yield "legacy tables", _said([*inside, "sh", "-c", names])
    yield "qdiscs", _said([*inside, "tc", "qdisc", "show"])


def _saved(argv: list[str]) -> Iterator[str]:
    """Rules without their counters and the time at which they were saved."""
    return (re.sub(r"\[\d+:\d+\]", "", line) for line in _said(argv) if not line.startswith("#"))


def _sysctls(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if not LIVE_SYSCTLS.search(str(path)) and path.stat().st_mode & stat.S_IRUSR:
                yield f"{path} = {_text(path).strip()}"


def _files() -> Iterator[str]:
    """Kind, mode, owner, size and time of change of every file, those of mounted pods aside."""
    for folder in FOLDERS:
        for place, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not os.path.ismount(f"{place}/{name}")]
            for name in (*folders, *names):
                path = Path(place, name)
                if not LIVE_FILES.match(str(path)):
                    yield from _file(path)


def _file(path: Path) -> Iterator[str]:
    try:
        found = path.lstat()
    except OSError:
        return  # it was there only for a moment, and what stays is told
    size = found.st_size if stat.S_ISREG(found.st_mode) else "-"
    yield f"{path} {stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid} {size} {found.st_mtime_ns}"


def _processes() -> Iterator[str]:
    """Command lines; which process looks, and who brought it here, is left out."""
    mine = {str(os.getpid()), str(os.getppid())}
    for process in _PROC.glob("[0-9]*"):
        command = _text(process / "cmdline").replace("\0", " ").strip()
        if process.name not in mine and command:
            yield command


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _said(argv: list[str], asked: str = "") -> list[str]:
    return subprocess.run(argv, input=asked, capture_output=True, text=True, check=False).stdout.splitlines()


if __name__ == "__main__":
    json.dump(state(), sys.stdout)
