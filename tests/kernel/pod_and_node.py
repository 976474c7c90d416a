"""A pod and its node in namespaces of their own, with every way in which the kernel refuses to lead from one to the other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from node_helper.kernel import Netns
from node_helper.linux import netns
from tests.throwaway import address, configure, namespace, veth

FAR, FAR6, NOBODY, NOBODY6 = "10.9.0.1", "fd00:9::1", "10.9.0.77", "fd00:9::77"
DROPPED = "10.66.0.1"


@contextmanager
def pod_and_node() -> Iterator[tuple[Netns, Netns]]:
    """A pod and its node, which answers on one side of a veth; routes that refuse in each of the kernel's ways."""
    with namespace() as node, namespace() as pod:
        veth(node, "veth0", pod)
        address(node, "veth0", f"{FAR}/24", f"{FAR6}/64")
        address(pod, "eth0", "10.9.0.2/24", "fd00:9::2/64")

        def routes(ip: Any) -> None:
            ip.route("add", dst="10.61.0.0/16", type="blackhole")
            ip.route("add", dst="10.62.0.0/16", type="unreachable")
            ip.route("add", dst="10.63.0.0/16", type="prohibit")
            ip.route("add", dst="10.64.0.0/16", gateway=FAR)
            ip.route("add", dst="10.66.0.0/16", gateway=FAR)

        configure(pod, routes)

        def node_side(ip: Any) -> None:
            ip.route("add", dst="10.64.0.0/16", type="unreachable")
            ip.route("add", dst="10.66.0.0/16", type="blackhole")

        configure(node, node_side)
        set_sysctl(node, "ipv4/ip_forward", 1)
        for family in ("ipv4", "ipv6"):  # nobody there is known after three of these, 1 s each by default
            set_sysctl(pod, f"{family}/neigh/eth0/retrans_time_ms", 20)
        yield pod, node


def set_sysctl(where: Netns, key: str, value: int | str) -> None:
    """/proc/sys/net shows the namespace of the process which opens it, so another process does."""
    code = f"open('/proc/sys/net/{key}', 'w').write('{value}')"
    netns.inside(where, lambda: subprocess.run([sys.executable, "-c", code], check=True))
