"""Network namespaces that end with the test, and the real kernel looked at as if one of them were the node's."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from pyroute2 import IPRoute

from node_helper.kernel import Netns
from node_helper.linux import Linux, netns
from node_helper.stop import Stop

T = TypeVar("T")
_NO_DETECTION = 0x02  # IFA_F_NODAD
_HERE = Path("/proc/self/ns/net")


@contextmanager
def namespace() -> Iterator[Netns]:
    """A new namespace with its loopback device up. It ends when this process does, however that happens."""
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as keeper:
        while Path(f"/proc/{keeper.pid}/ns/net").stat().st_ino == _HERE.stat().st_ino:
            time.sleep(0.002)
        made = netns.of(keeper.pid)
        configure(made, lambda ip: ip.link("set", index=1, state="up"))
        yield made


def configure(where: Netns, work: Callable[[Any], T]) -> T:
    """What `work` returns when it talks to pyroute2's IPRoute inside a namespace."""

    def inside() -> T:
        with IPRoute() as ip:
            return work(ip)

    return netns.inside(where, inside)


def pid_of(where: Netns) -> int:
    """The process that keeps a namespace."""
    return int(where.path.split("/")[2])


class LinuxWhere(Linux):
    """The real kernel, in which a namespace of ours is the node's: that of PID 1 is the machine's and stays out of it."""

    def __init__(self, node: Netns, seconds: float = 30.0) -> None:
        super().__init__(Stop(seconds))
        self._node = node

    def own_netns(self) -> Netns:
        return self._node

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._stop.close()


def veth(node: Netns, name: str, pod: Netns, pod_name: str = "eth0", **settings: Any) -> None:
    """A pair of devices, up, one end in each namespace; `settings` are the host end's."""
    configure(node, lambda ip: ip.link("add", ifname=name, kind="veth", peer={"ifname": pod_name, "net_ns_pid": pid_of(pod)}))
    configure(node, lambda ip: ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up", **settings))
    configure(pod, lambda ip: ip.link("set", index=ip.link_lookup(ifname=pod_name)[0], state="up"))


def address(where: Netns, device: str, *prefixes: str) -> None:
    """Addresses for a device, usable at once: no duplicate address detection."""

    def add(ip: Any) -> None:
        index = ip.link_lookup(ifname=device)[0]
        for prefix in prefixes:
            bare, _, length = prefix.partition("/")
            flags = {"flags": _NO_DETECTION} if ":" in bare else {}
            ip.addr("add", index=index, address=bare, prefixlen=int(length), **flags)

    configure(where, add)
