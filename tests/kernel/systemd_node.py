"""A node of the lab in which systemd is PID 1, in namespaces inside the node's own; it can be switched off and on again.

Two files stand in for conntrack's limits, which are the machine's. Nothing of the machine's own units is started.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.lab import approver, cgroups, helper, packages
from deploy.lab.node import Node, Site
from deploy.lab.packages import Packages
from deploy.lab.reaper import Reaper
from tests.node_helper_asked import Asked, speaking

_SYSTEMD = Packages(tree="systemd", names=("systemd",), needed=("/usr/lib/systemd/systemd", "/usr/bin/systemctl"))
_TARGET = "[Unit]\nDescription=lab\nDefaultDependencies=no\nWants=timers.target\n"
_STAND_IN = "/stand-in"
_BOOT = f"""
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 run /run
for file in max buckets; do mount --bind {_STAND_IN}/$file /proc/sys/net/netfilter/nf_conntrack_$file; done
exec env -i container=lab PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --unit=lab.target --log-target=console
"""


class SystemdNode:
    """Off at first."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node, self.folder = node, folder

    def on(self) -> None:
        """Start systemd, and wait until it has started."""
        argv = ["unshare", "--pid", "--mount", "--cgroup", "--fork", "--kill-child=KILL", "--mount-proc", "sh", "-c", _BOOT]
        self.node.daemon(argv, "systemd.log", self._is_up)

    def off(self) -> None:
        """As if the power were cut."""
        self.node.run(["kill", "-KILL", self._pid()])
        while self._pid():
            time.sleep(0.05)

    def run(self, *argv: str) -> str:
        """What a command inside prints."""
        return self.node.run(self._inside(argv), check=False).stdout

    @contextmanager
    def helper(self) -> Iterator[Asked]:
        """Its helper."""
        with speaking(self.node.argv(self._inside(helper.COMMAND.split()))) as one:
            yield one

    def _inside(self, argv: tuple[str, ...] | list[str]) -> list[str]:
        return ["nsenter", "--target", self._pid(), "--pid", "--mount", "--cgroup", "--", *argv]

    def _pid(self) -> str:
        return self.node.run(["pgrep", "-o", "-x", "systemd"], check=False).stdout.strip()

    def _is_up(self) -> bool:
        return bool(self._pid()) and self.run("systemctl", "is-active", "lab.target") == "active\n"


@contextmanager
def systemd_node(folder: Path, value: int, buckets: int) -> Iterator[SystemdNode]:
    """One that takes changes from the approver whose key is made in the folder."""
    with ExitStack() as stack:
        reaper = Reaper()
        stack.callback(reaper.close)
        tools = packages.prepare(print)
        site = Site(folder, tools.with_more(packages.prepare(print, _SYSTEMD)), reaper, cgroups.usual(cgroups.on_this_machine()))
        node = stack.enter_context(Node("node-systemd", site))
        helper.install(node, helper.build(tools, folder / "helper"))
        approver.create(folder)
        approver.allow(node, folder)
        for name, number in (("max", value), ("buckets", buckets)):
            node.write(f"{_STAND_IN}/{name}", f"{number}\n")
        node.write("/etc/systemd/system/lab.target", _TARGET)
        for early in ("sysinit", "local-fs", "basic", "timers"):
            shutil.rmtree(node.path(f"/usr/lib/systemd/system/{early}.target.wants"), ignore_errors=True)
        one = SystemdNode(node, folder)
        one.on()
        yield one
