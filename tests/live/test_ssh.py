"""Nodes of the lab through their real sshd and forced command: what works, and what each bad day is called."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import asyncssh
import pytest

from deploy.lab.lab import Lab
from deploy.lab.node import Node
from node_helper.facts import connect, ping, routes
from node_helper.kernel import Netns
from node_helper.protocol import CannotLook
from workers.check import Ask
from workers.nodes.nodes import Limits, Nodes
from workers.ssh.connect import Ssh, SshSettings

pytestmark = pytest.mark.live


@contextmanager
def deaf(node: Node, port: int) -> Iterator[None]:
    """The node drops what is sent to a TCP port."""
    chain = "type filter hook input priority 0;"
    node.run(["nft", f"add table inet deaf; add chain inet deaf in {{ {chain} }}; add rule inet deaf in tcp dport {port} drop"])
    try:
        yield
    finally:
        node.run(["nft", "delete table inet deaf"])


@pytest.fixture
async def nodes(lab: Lab) -> AsyncIterator[Nodes]:
    nodes = Nodes(Ssh(SshSettings(config=(lab.ssh_config,))), Limits(grace_seconds=0.5))
    yield nodes
    await nodes.aclose()


def netns(node: Node) -> Netns:
    """The node's own, as the helper names it."""
    return Netns("/proc/1/ns/net", int(node.run(["stat", "-Lc", "%i", "/proc/1/ns/net"]).stdout))


def ask_routes(lab: Lab, name: str) -> Ask[routes.Query, routes.Routes]:
    return Ask(name, routes.FACT, routes.Query(netns(lab.nodes[name])))


def helpers(node: Node) -> list[int]:
    """The pids, here, of the node's helpers."""
    inside = os.stat(node.path("/proc/1/ns/pid")).st_ino  # noqa: PTH116  (the namespace, not its link)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            if b"node-helper\0serve" in command and os.stat(folder / "ns/pid").st_ino == inside:  # noqa: PTH116
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def tasks(helper: int) -> int:
    """How many threads it has: one when it works on nothing."""
    return len(list(Path(f"/proc/{helper}/task").iterdir()))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  (another process does it)
            await asyncio.sleep(0.02)


async def test_both_nodes_answer_about_themselves(lab: Lab, nodes: Nodes) -> None:
    for name in ("node-one", "node-two"):
        hello = await nodes.hello(name)
        assert (hello.root, hello.installed, hello.hostname) == (True, True, name)
        seen = await nodes.ask(ask_routes(lab, name), trace="t-live", seconds=10)
        assert any(route.destination == "default" or route.destination.startswith("10.") for route in seen.routes)


async def test_a_warm_helper_is_used_again(lab: Lab, nodes: Nodes) -> None:
    asked = ask_routes(lab, "node-one")
    answers = await asyncio.gather(*(nodes.ask(asked, trace="", seconds=10) for _ in range(40)))
    assert len(set(answers)) == 1
    assert len(helpers(lab.nodes["node-one"])) == 1


async def test_a_helper_ends_with_its_connection(lab: Lab) -> None:
    nodes = Nodes(Ssh(SshSettings(config=(lab.ssh_config,))))
    await nodes.hello("node-one")
    assert helpers(lab.nodes["node-one"])
    await nodes.aclose()
    await until(lambda: not helpers(lab.nodes["node-one"]))


async def test_a_changed_host_key_is_called_that(lab: Lab, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    known = tmp_path / "known_hosts"
    known.write_text(f"node-one {other.export_public_key().decode()}")
    config = tmp_path / "config"
    config.write_text(f"Host *\n    UserKnownHostsFile {known}\nInclude {lab.ssh_config}\n")
    nodes = Nodes(Ssh(SshSettings(config=(config,))))
    with pytest.raises(CannotLook, match="node-one: its host key CHANGED") as said:
        await nodes.hello("node-one")
    await nodes.aclose()
    assert said.value.kind == "host-key"
    assert str(known) in said.value.fix


async def test_a_host_ca_that_is_not_ours_is_refused(lab: Lab, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority * {other.export_public_key().decode()}")
    config = tmp_path / "config"
    config.write_text(f"Host *\n    UserKnownHostsFile {known}\nInclude {lab.ssh_config}\n")
    nodes = Nodes(Ssh(SshSettings(config=(config,))))
    with pytest.raises(CannotLook) as said:
        await nodes.hello("node-one")
    await nodes.aclose()
    assert said.value.kind == "host-key"


async def test_a_key_that_no_node_knows_is_denied(lab: Lab, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "key"))
    config = tmp_path / "config"
    text = lab.ssh_config.read_text()
    lines = [f"    IdentityFile {tmp_path / 'key'}" if "IdentityFile" in line else line for line in text.splitlines()]
    config.write_text("\n".join(lines))
    nodes = Nodes(Ssh(SshSettings(config=(config,))))
    with pytest.raises(CannotLook) as said:
        await nodes.hello("node-one")
    await nodes.aclose()
    assert said.value.kind == "denied"


async def test_a_node_that_is_down_is_unreachable_and_the_other_still_answers(lab: Lab, nodes: Nodes) -> None:
    quick = Nodes(Ssh(SshSettings(config=(lab.ssh_config,), connect_seconds=1.0)))
    with deaf(lab.nodes["node-two"], 22):
        with pytest.raises(CannotLook) as said:
            await quick.hello("node-two")
        assert (await nodes.hello("node-one")).hostname == "node-one"
    await quick.aclose()
    assert said.value.kind == "unreachable"


async def test_a_helper_that_hangs_is_given_up_and_replaced(lab: Lab, nodes: Nodes) -> None:
    asked = ask_routes(lab, "node-one")
    await nodes.ask(asked, trace="", seconds=10)
    (hanging,) = helpers(lab.nodes["node-one"])
    os.kill(hanging, signal.SIGSTOP)
    try:
        with pytest.raises(CannotLook) as said:
            await nodes.ask(asked, trace="", seconds=0.5)
        assert said.value.kind == "timeout"
        assert (await nodes.ask(asked, trace="", seconds=10)).routes
    finally:
        os.kill(hanging, signal.SIGKILL)


async def test_closing_rows_ends_the_probe_on_the_node(lab: Lab, nodes: Nodes) -> None:
    node = lab.nodes["node-one"]
    query = ping.Query(netns(node), "127.0.0.1", count=100, interval=0.05)
    async with aclosing(nodes.rows(Ask("node-one", ping.FACT, query), trace="", seconds=60)) as rows:
        async for row in rows:
            if row.sequence == 2:
                break
    (helper,) = helpers(node)
    await until(lambda: tasks(helper) == 1)


async def test_cancelling_a_wait_ends_it_on_the_node(lab: Lab, nodes: Nodes) -> None:
    node = lab.nodes["node-one"]
    query = connect.Query(netns(node), "127.0.0.1", 9999, seconds=10.0)
    with deaf(node, 9999):
        asking = asyncio.create_task(nodes.ask(Ask("node-one", connect.FACT, query), trace="", seconds=30))
        await until(lambda: any(tasks(helper) > 1 for helper in helpers(node)))
        asking.cancel()
        (helper,) = helpers(node)
        began = time.monotonic()
        await until(lambda: tasks(helper) == 1)
        assert time.monotonic() - began < query.seconds  # it did not wait for its own end


async def test_looking_leaves_the_node_as_it_was(lab: Lab, nodes: Nodes) -> None:
    node = lab.nodes["node-one"]
    before = traces(node)
    await nodes.ask(ask_routes(lab, "node-one"), trace="", seconds=10)
    await nodes.aclose()
    await until(lambda: not helpers(node))
    assert traces(node) == before


def traces(node: Node) -> str:
    """Files that a helper could have left, and what it could have made in the kernel."""
    script = "ls -A /tmp /run /var/tmp /root; cat /proc/net/ip_tables_names /proc/modules; ip netns; ip -o link | wc -l"
    return node.run(["sh", "-c", script], check=False).stdout
