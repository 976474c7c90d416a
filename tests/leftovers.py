"""What a lab could leave behind, and how to see that it did not."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import packages

PATIENCE = 60.0  # seconds; a lab is gone in one, but a busy machine may need longer


@dataclass(frozen=True)
class Machine:
    """What a lab could have changed."""

    links: frozenset[str]
    mounts: str
    rules: str
    sysctls: dict[str, str]

    @classmethod
    def look(cls) -> Machine:
        tools = packages.prepare(print)
        rules = subprocess.run(tools.argv(["nft", "list", "ruleset"]), capture_output=True, text=True, check=True)
        return cls(
            links=frozenset(link.name for link in Path("/sys/class/net").iterdir()),
            mounts=Path("/proc/self/mountinfo").read_text(),
            rules=rules.stdout,
            sysctls=dict(_sysctls()),
        )


def _sysctls() -> Iterator[tuple[str, str]]:
    for folder in ("net/ipv4", "net/ipv6", "net/core", "net/netfilter", "vm"):
        for path in Path("/proc/sys", folder).rglob("*"):
            if path.is_file() and os.access(path, os.R_OK) and path.name not in ("nf_conntrack_count", "stat_refresh"):
                try:
                    yield str(path), path.read_text()
                except OSError:
                    continue  # some can only be written


def cgroups_of(folder: str) -> list[Path]:
    """Those of the lab whose folder has this name."""
    return [path for path in Path("/sys/fs/cgroup").rglob(f"{folder}-*") if path.is_dir()]


def processes_with(word: str) -> list[str]:
    """The command lines of processes that have the word in it, in their environment or in the name of their cgroup."""
    return [_command(path.parent) for path in Path("/proc").glob("[0-9]*/cgroup") if _has(path.parent, word)]


def _has(process: Path, word: str) -> bool:
    try:
        return any(word.encode() in (process / file).read_bytes() for file in ("cgroup", "cmdline", "environ"))
    except OSError:
        return False  # it ended meanwhile


def _command(process: Path) -> str:
    try:
        return f"{process.name} {(process / 'cmdline').read_bytes().decode(errors='replace')}"
    except OSError:
        return process.name


def children_of(pid: int) -> set[int]:
    """Of all generations."""
    direct = {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return direct.union(*(children_of(child) for child in direct))


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes to be so."""
    deadline = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()
