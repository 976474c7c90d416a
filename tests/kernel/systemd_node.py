"""A node of the lab in which systemd is PID 1, in namespaces inside the node's own; it can be switched off and on again.

Two files stand in for conntrack's limits, which are the machine's. Nothing of the machine's own units is started.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from deploy.lab import approver, cgroups, helper, packages, runtimes
from deploy.lab.node import Node, Site
from deploy.lab.packages import Packages
from deploy.lab.plan import NodePlan
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


class Inside(Node):
    """The node as those see it who run where systemd is PID 1; its cgroups are version 2, and systemd's."""

    def __init__(self, one: SystemdNode) -> None:
        outside = one.node
        self.name, self.folder, self._daemons = outside.name, outside.folder, outside._daemons
        self.cgroup = replace(outside.cgroup, version=cgroups.Version.V2)
        self.pid = _on_the_machine(outside.run(["readlink", f"/proc/{one._pid()}/ns/pid"]).stdout.strip())


def _on_the_machine(space: str) -> int:
    """PID 1 of a PID namespace, as the machine counts."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            first = re.search(r"^NSpid:.*\t1$", (process / "status").read_text(), re.MULTILINE)
            if first and str((process / "ns/pid").readlink()) == space:
                return int(process.name)
        except OSError:
            continue  # it ended meanwhile
    raise AssertionError(f"{space} has no PID 1")


@contextmanager
def systemd_node(folder: Path, value: int, buckets: int, plan: NodePlan | None = None) -> Iterator[SystemdNode]:
    """One that takes changes from the approver whose key is made in the folder; with what the plan's runtime needs."""
    with ExitStack() as stack:
        reaper = Reaper()
        stack.callback(reaper.close)
        tools = packages.prepare(print)
        more = tools.with_more(packages.prepare(print, _SYSTEMD))
        site = Site(folder, runtimes.tools(plan, more, print) if plan else more, reaper, cgroups.usual(cgroups.on_this_machine()))
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
