"""On the real kernel: looking into a namespace sees what is its own, ends when nobody waits, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from node_helper.facts import connect, interfaces, neighbours, ping, resolv_conf, routes, sockets
from node_helper.kernel import Netns
from node_helper.linux import Linux, netns
from node_helper.protocol import CannotLook
from node_helper.stop import Stop
from tests.kernel.dns_servers import answer, ask, udp_server
from tests.kernel.pod_and_node import DROPPED, FAR
from tests.throwaway import LinuxWhere, configure

pytestmark = pytest.mark.live


@pytest.mark.parametrize("probe", ["dns", "echo", "connect"])
def test_a_probe_that_nobody_waits_for_any_more_ends_at_once(pair: tuple[Netns, Netns], probe: str) -> None:
    stop = Stop(60)
    threading.Timer(0.1, stop.end, ("cancelled",)).start()
    kernel, started = Linux(stop), time.monotonic()
    probes: dict[str, Callable[[], object]] = {
        "dns": lambda: ask(kernel, pair[0], 53, server=DROPPED, seconds=30.0),
        "echo": lambda: kernel.echo(pair[0], DROPPED, 1, 30.0),
        "connect": lambda: kernel.connect(pair[0], DROPPED, 53, 30.0),
    }
    with pytest.raises(CannotLook) as said:
        probes[probe]()
    assert said.value.kind == "cancelled"
    assert time.monotonic() - started < 25


def test_sockets_are_those_of_the_namespace(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    pod = pair[0]
    with ExitStack() as open_ones:
        tcp = open_ones.enter_context(netns.inside(pod, lambda: socket.create_server(("10.9.0.2", 0))))
        tcp6 = open_ones.enter_context(netns.inside(pod, lambda: socket.create_server(("::", 0), family=socket.AF_INET6)))
        udp = open_ones.enter_context(netns.inside(pod, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        udp.bind(("10.9.0.2", 0))
        found = {(s.protocol, s.state, s.local, s.local_port) for s in sockets.collect(kernel, sockets.Query(pod)).sockets}
        told = {
            ("tcp", "LISTEN", "10.9.0.2", tcp.getsockname()[1]),
            ("tcp6", "LISTEN", "::", tcp6.getsockname()[1]),
            ("udp", "UNCONN", "10.9.0.2", udp.getsockname()[1]),
        }
        assert told <= found
        talks = [
            open_ones.enter_context(netns.inside(pod, lambda: socket.create_connection(tcp.getsockname()))) for _ in range(9)
        ]
        waiting = sockets.collect(kernel, sockets.Query(pod, waiting=True)).sockets
        states = Counter(s.state for s in waiting if s.protocol == "tcp")
        assert told <= {(s.protocol, s.state, s.local, s.local_port) for s in waiting}
        assert (states["LISTEN"], sum(states.values())) == (1, 2), len(talks)


def test_the_reference_tool_runs_inside_the_namespace(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    """`readlink` stands in for it: iproute2 is not on every machine, and the lab's nodes test it."""
    done = kernel.run(("readlink", "/proc/self/ns/net"), pair[0])
    assert done.out.strip() == f"net:[{pair[0].inode}]"
    assert netns.of(os.getpid()).inode not in (pair[0].inode, pair[1].inode)


def test_a_process_sees_its_own_resolv_conf_whatever_it_links_to(kernel: Linux, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "real").write_text("nameserver 10.96.0.10\n")
    (tmp_path / "etc" / "resolv.conf").symlink_to("/../../run/real")
    code = "import os, sys; os.chroot(sys.argv[1]); print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pod:
        assert pod.stdout is not None
        pod.stdout.readline()
        found = resolv_conf.collect(kernel, resolv_conf.Query(pod.pid))
        assert found.nameservers == ("10.96.0.10",)
        assert pod.stdin is not None
        pod.stdin.close()


def test_looking_changes_nothing(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    pod, node = pair
    with udp_server(node, FAR, lambda asked: [answer(asked)]) as port:
        ask(kernel, pod, port)  # neighbours get to know each other first
        before = _everything(pair)
        for look in (interfaces, routes, neighbours, sockets):
            look.collect(kernel, look.Query(pod))
        ask(kernel, pod, port)
        connect.collect(kernel, connect.Query(pod, FAR, 1))
        list(ping.rows(kernel, ping.Query(pod, FAR, count=1)))
        kernel.run(("readlink", "/proc/self/ns/net"), pod)
        assert kernel.netnsid(pod, node) is not None
        assert kernel.netnsid(pod, netns.of(os.getpid())) is None
        assert _everything(pair) == before


def _everything(pair: tuple[Netns, Netns]) -> tuple[object, ...]:
    """Devices, addresses and routes of both, ids of each namespace that could be touched, named namespaces, modules, threads.

    In the namespace of this process other tests may be at work.
    """

    def of(ip: Any) -> object:
        links = [(link["index"], link.get("ifname"), link["flags"], link.get("master")) for link in ip.get_links()]
        return links, sorted(a.get("address") for a in ip.get_addr()), sorted(str(r.get("dst")) for r in ip.get_routes())

    here = netns.of(os.getpid())
    with LinuxWhere(pair[1]) as kernel:
        known = [kernel.netnsid(one, other) for one in (*pair, here) for other in (*pair, here)]
    named = sorted(p.name for p in Path("/run/netns").iterdir()) if Path("/run/netns").exists() else []
    modules = Path("/proc/modules").read_text() if Path("/proc/modules").exists() else ""
    loaded = sorted(line.split()[0] for line in modules.splitlines())
    return [configure(where, of) for where in pair], known, named, loaded, threading.active_count()
