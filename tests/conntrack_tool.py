"""conntrack-tools in a namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from deploy.lab import packages
from node_helper.kernel import Netns

Tool = Callable[..., str]


def tool_in(where: Netns) -> Tool:
    def run(*arguments: str) -> str:
        return subprocess.run(command(where, "conntrack", *arguments), capture_output=True, text=True, check=True).stdout

    return run


def command(where: Netns, *argv: str) -> list[str]:
    return packages.prepare(print).argv(["nsenter", f"--net={where.path}", *argv])


def count_and_date() -> None:
    """Let the calling thread's namespace count packets of flows that are made from now on, and note when they begin."""
    for name in ("acct", "timestamp"):
        Path(f"/proc/sys/net/netfilter/nf_conntrack_{name}").write_text("1")
