"""Nodes are asked over SSH in constant text, over one connection that is made again, and every way to fail says what to do."""

from __future__ import annotations

import asyncio
import inspect
import sys
from pathlib import Path

import asyncssh
import pytest

from node_helper.protocol import CannotLook
from tests.unit import toy_helper as toy
from tests.unit.local import until
from tests.unit.over_ssh import LIMITS, echo, refused
from tests.unit.ssh_server import KEY, SshServer
from workers.check import Ask
from workers.nodes.nodes import Limits, Nodes
from workers.ssh.connect import Ssh, SshSettings
from workers.ssh.errors import FOREIGN, cannot


async def test_a_node_answers_and_is_asked_only_constant_text(ssh_nodes: Nodes, ssh_server: SshServer) -> None:
    assert await echo(ssh_nodes, "; rm -rf /") == "; rm -rf /"
    assert ssh_server.asked == ["serve"]


async def test_questions_share_one_connection(ssh_nodes: Nodes, ssh_server: SshServer) -> None:
    assert await asyncio.gather(*(echo(ssh_nodes, str(i)) for i in range(30))) == [str(i) for i in range(30)]
    assert len(ssh_server.asked) == 1


async def test_a_long_answer_crosses(ssh_nodes: Nodes) -> None:
    seen = await ssh_nodes.ask(Ask("n1", toy.BIG, toy.Query(size=5_000_000)), trace="", seconds=20)
    assert len(seen.text) == 5_000_000


async def test_after_a_lost_connection_the_next_question_connects_again(ssh_nodes: Nodes, ssh_server: SshServer) -> None:
    await echo(ssh_nodes)
    await ssh_server.drop()
    assert await echo(ssh_nodes, "again") == "again"


async def test_a_question_lost_with_its_connection_is_asked_again(
    ssh_nodes: Nodes, ssh_server: SshServer, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    query = toy.Query(seconds=0.5, path=str(mark))
    asking = asyncio.create_task(ssh_nodes.ask(Ask("n1", toy.SLOW, query), trace="", seconds=20))
    await until(mark.exists)
    await ssh_server.drop()
    assert (await asking).text == "rested"


async def test_a_key_that_the_node_does_not_accept(ssh_nodes: Nodes, ssh_server: SshServer) -> None:
    asyncssh.generate_private_key(KEY).write_private_key(str(ssh_server.folder / "client"))
    said = await refused(ssh_nodes)
    assert said.kind == "denied"
    assert "authorized_keys" in said.fix


async def test_a_node_on_which_nothing_listens(ssh_server: SshServer) -> None:
    await ssh_server.aclose()
    nodes = Nodes(Ssh(SshSettings(config=(ssh_server.config,))), LIMITS)
    said = await refused(nodes)
    await nodes.aclose()
    await ssh_server.start()
    assert said.kind == "unreachable"
    assert "nothing answers on its SSH port" in said.reason


async def test_a_node_that_accepts_and_says_nothing(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    dead = await asyncio.start_server(silent, "127.0.0.1", 0)
    server = SshServer(tmp_path)
    server.port = dead.sockets[0].getsockname()[1]
    server.configure()
    asyncssh.generate_private_key(KEY).write_private_key(str(tmp_path / "client"))
    (tmp_path / "known_hosts").write_text("")
    nodes = Nodes(Ssh(SshSettings(config=(server.config,), connect_seconds=0.3)), LIMITS)
    said = await refused(nodes)
    await nodes.aclose()
    dead.close()
    await dead.wait_closed()
    assert said.kind == "unreachable"


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("echo 'sh: 1: node-helper: not found' >&2; exit 127", "missing-helper", "no helper"),
        ("exit 127", "missing-helper", "no helper"),
        ("echo 'sudo: a password is required' >&2; exit 1", "denied", "sudo asks for a password"),
        ("echo 'node-helper needs Python 3.9 or newer, this is 3.6' >&2; exit 3", "missing-helper", "Python is too old"),
        ("echo 'SyntaxError: future feature annotations is not defined' >&2; exit 1", "missing-helper", "Python is too old"),
        ("echo 'bash: /usr/bin/python3: No such file or directory' >&2; exit 127", "missing-helper", "no python3"),
        ("echo Welcome to the node; exec sleep 5", "malformed", "Welcome to the node"),
        ("exit 0", "unreachable", "status 0"),
        ("kill -9 $$", "unreachable", "ended before"),
        ("printf '\\033[31mred\\n' >&2; exit 9", "unreachable", "red"),
    ],
)
async def test_a_node_without_a_working_helper_says_why(
    ssh_nodes: Nodes, ssh_server: SshServer, script: str, kind: str, words: str
) -> None:
    ssh_server.argv = ("/bin/sh", "-c", script)
    said = await refused(ssh_nodes)
    assert (said.kind, words in said.reason, bool(said.fix)) == (kind, True, True)
    assert "\033" not in said.reason


async def test_a_helper_that_never_says_hello(ssh_server: SshServer) -> None:
    ssh_server.argv = ("/bin/sleep", "60")
    nodes = Nodes(Ssh(SshSettings(config=(ssh_server.config,))), Limits(needs_root=False, start_seconds=0.5))
    assert (await refused(nodes)).kind == "timeout"
    await nodes.aclose()


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "n1;ls", "n1\n", "N1", "$(id)", "a" * 300, "../x"])
async def test_what_is_not_the_name_of_a_node_never_reaches_ssh(ssh_nodes: Nodes, ssh_server: SshServer, name: str) -> None:
    with pytest.raises(CannotLook, match="is not the name of a node"):
        await ssh_nodes.hello(name)
    assert ssh_server.asked == []


async def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    nodes = Nodes(Ssh(SshSettings(config=(tmp_path / "nowhere",))), LIMITS)
    said = await refused(nodes)
    await nodes.aclose()
    assert "nowhere" in said.reason
    assert "NETCHECK_SSH_CONFIG" in said.fix


def exceptions_of_asyncssh() -> list[type[BaseException]]:
    """Of every module that asyncssh itself loads here."""
    modules = [module for name, module in sys.modules.items() if name.startswith("asyncssh")]
    found = {c for module in modules for c in vars(module).values() if inspect.isclass(c) and issubclass(c, Exception)}
    return sorted((c for c in found if c.__module__.startswith("asyncssh")), key=lambda c: c.__name__)


@pytest.mark.parametrize("shape", exceptions_of_asyncssh(), ids=lambda c: c.__name__)
def test_every_exception_of_asyncssh_is_translated(shape: type[Exception]) -> None:
    failure = shape.__new__(shape)
    said = cannot("n1", failure)
    assert issubclass(shape, FOREIGN)
    assert said.reason.startswith("n1: ")
    assert said.kind
    assert said.fix


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (asyncssh.ConnectionLost("gone"), "the connection was lost"),
        (ConnectionResetError(104, "reset"), "the connection was lost"),
        (BrokenPipeError(32, "broken"), "the connection was lost"),
        (ConnectionRefusedError(111, "refused"), "nothing answers on its SSH port"),
        (OSError(113, "no route"), "it cannot be reached"),
    ],
)
def test_a_connection_that_ends_is_lost_whoever_tells_it(failure: Exception, words: str) -> None:
    said = cannot("n1", failure)
    assert (said.kind, said.reason.startswith(f"n1: {words}")) == ("unreachable", True)
