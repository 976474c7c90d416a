"""Network namespaces into which recorded rules are loaded with Debian's tools, and the real kernel looked at in them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import packages
from deploy.lab.kubeproxy.iptables import NFACCT_OBJECTS
from node_helper.kernel import Netns
from node_helper.linux import netns
from tests.throwaway import LinuxWhere


@dataclass(frozen=True)
class Loaded:
    """A namespace of its own, in which the unpacked tools run."""

    enter: tuple[str, ...]
    netns: Netns

    def run(self, *argv: str, text: str = "") -> str:
        """What a command prints; fails with what it says on standard error."""
        done = subprocess.run([*self.enter, *argv], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr[:2000]}"
        return done.stdout

    def load(self, tool: str, text: str) -> None:
        """Rules, by "nft", or by "iptables-nft", "ip6tables-legacy" and the like, which replace the tables that a text names.

        Adding to them (`--noflush`) makes iptables-nft look at each chain: ten thousand services take ten times as long.
        """
        if tool == "nft":
            self.run("nft", "-f", "-", text=text)
            return
        for name in NFACCT_OBJECTS:
            subprocess.run([*self.enter, "nfacct", "add", name], capture_output=True, check=False)  # there already: fine
        self.run(f"{tool}-restore", text=text)

    @property
    def kernel(self) -> LinuxWhere:
        """The real kernel, for which this namespace is the node's."""
        return LinuxWhere(self.netns, seconds=120)


@contextmanager
def namespace(tools: packages.Tools, folder: Path) -> Iterator[Loaded]:
    """An empty one; it ends with the block."""
    stay = tools.argv(["unshare", "--net", "sh", "-c", "echo ready && exec cat"])
    with subprocess.Popen(stay, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        enter = ("nsenter", f"--target={holder.pid}", "--mount", "--net", "env", f"XTABLES_LOCKFILE={folder / 'xtables.lock'}")
        yield Loaded(enter, netns.of(holder.pid))
        holder.stdin.close()
