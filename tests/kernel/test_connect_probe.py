"""On the real kernel: who took a handshake is named, and why none could be made."""

from __future__ import annotations

import socket
import subprocess

import pytest

from deploy.lab import packages
from node_helper.facts import connect, sockets
from node_helper.kernel import Netns
from node_helper.linux import Linux, netns
from tests.kernel.pod_and_node import DROPPED, FAR, FAR6, set_sysctl
from tests.throwaway import LinuxWhere

pytestmark = pytest.mark.live


@pytest.mark.parametrize(("here", "family"), [("0.0.0.0", socket.AF_INET), ("::", socket.AF_INET6)])
def test_a_sidecar_that_takes_the_connection_is_named(
    fresh: tuple[Netns, Netns], here: str, family: socket.AddressFamily
) -> None:
    chain = "type nat hook output priority -100; ip daddr 10.66.0.0/16 tcp dport 80 redirect to :15001;"
    rules = f"table ip mesh {{ chain out {{ {chain} }}; }}"
    nft = packages.prepare(print).argv(["nft", rules])
    netns.inside(fresh[0], lambda: subprocess.run(nft, check=True))
    dual = family == socket.AF_INET6
    sidecar = netns.inside(fresh[0], lambda: socket.create_server((here, 15001), family=family, dualstack_ipv6=dual))
    with sidecar, LinuxWhere(fresh[1]) as kernel:
        found = connect.collect(kernel, connect.Query(fresh[0], DROPPED, 80))
        assert (found.outcome, found.taken_by) == ("answered", "127.0.0.1:15001")
        itself = connect.collect(kernel, connect.Query(fresh[0], "10.9.0.2", 15001))
        assert (itself.outcome, itself.taken_by) == ("answered", "")


@pytest.mark.parametrize(("far", "family"), [(FAR, socket.AF_INET), (FAR6, socket.AF_INET6)])
def test_a_pod_without_a_free_port_is_not_called_cut_off(
    fresh: tuple[Netns, Netns], far: str, family: socket.AddressFamily
) -> None:
    set_sysctl(fresh[0], "ipv4/ip_local_port_range", "50000 50000")
    with LinuxWhere(fresh[1]) as kernel, netns.inside(fresh[1], lambda: socket.create_server((far, 0), family=family)) as server:
        port = server.getsockname()[1]
        query = connect.Query(fresh[0], far, port)
        taken = netns.inside(fresh[0], lambda: socket.create_connection((far, port)))
        with taken:
            assert connect.collect(kernel, query).outcome == "no-port"
            assert connect.collect(kernel, connect.Query(fresh[0], far, port + 1)).outcome == "refused"


def test_a_handshake_succeeds_and_leaves_nothing_in_time_wait(kernel: Linux, pair: tuple[Netns, Netns]) -> None:
    with netns.inside(pair[1], lambda: socket.create_server((FAR, 0))) as listening:
        port = listening.getsockname()[1]
        assert connect.collect(kernel, connect.Query(pair[0], FAR, port)).outcome == "answered"
        assert port not in {one.remote_port for one in sockets.collect(kernel, sockets.Query(pair[0])).sockets}
