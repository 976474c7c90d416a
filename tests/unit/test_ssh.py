"""Reaching nodes over SSH: who they are is verified, and every way to fail says what to do."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from node_helper import known
from node_helper import pushed as push_program
from node_helper.protocol import CannotLook
from tests.unit import toy_helper as toy
from tests.unit.local import TOY, until
from tests.unit.ssh_server import KEY, SshServer
from workers.check import Ask
from workers.nodes import push
from workers.nodes.nodes import Limits, Nodes
from workers.ssh.connect import Ssh, SshSettings
from workers.ssh.errors import FOREIGN, cannot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMITS = Limits(needs_root=False)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SshServer]:
    server = SshServer(tmp_path, (sys.executable, "-I", TOY))
    await server.start()
    yield server
    await server.aclose()


@pytest.fixture
async def nodes(server: SshServer) -> AsyncIterator[Nodes]:
    nodes = Nodes(Ssh(SshSettings(config=(server.config,))), LIMITS)
    yield nodes
    await nodes.aclose()


async def echo(nodes: Nodes, text: str = "hello") -> str:
    return (await nodes.ask(Ask("n1", toy.ECHO, toy.Query(text)), trace="t-1", seconds=20)).text


async def refused(nodes: Nodes) -> CannotLook:
    with pytest.raises(CannotLook) as caught:
        await echo(nodes)
    return caught.value


async def test_a_node_answers_and_is_asked_only_constant_text(nodes: Nodes, server: SshServer) -> None:
    assert await echo(nodes, "; rm -rf /") == "; rm -rf /"
    assert server.asked == ["serve"]


async def test_questions_share_one_connection(nodes: Nodes, server: SshServer) -> None:
    assert await asyncio.gather(*(echo(nodes, str(i)) for i in range(30))) == [str(i) for i in range(30)]
    assert len(server.asked) == 1


async def test_a_long_answer_crosses(nodes: Nodes) -> None:
    seen = await nodes.ask(Ask("n1", toy.BIG, toy.Query(size=5_000_000)), trace="", seconds=20)
    assert len(seen.text) == 5_000_000


async def test_after_a_lost_connection_the_next_question_connects_again(nodes: Nodes, server: SshServer) -> None:
    await echo(nodes)
    await server.drop()
    assert await echo(nodes, "again") == "again"


async def test_a_question_lost_with_its_connection_is_asked_again(nodes: Nodes, server: SshServer, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    query = toy.Query(seconds=0.5, path=str(mark))
    asking = asyncio.create_task(nodes.ask(Ask("n1", toy.SLOW, query), trace="", seconds=20))
    await until(mark.exists)
    await server.drop()
    assert (await asking).text == "rested"


async def test_a_changed_host_key_is_called_that(nodes: Nodes, server: SshServer) -> None:
    server.trust(other := asyncssh.generate_private_key(KEY))
    said = await refused(nodes)
    assert said.kind == "host-key"
    assert "n1: its host key CHANGED" in said.reason
    assert server.host_key.get_fingerprint() in said.reason
    assert other.get_fingerprint() in said.reason
    assert "known_hosts" in said.fix


async def test_an_unknown_host_key_is_called_that(nodes: Nodes, server: SshServer) -> None:
    (server.folder / "known_hosts").write_text("")
    said = await refused(nodes)
    assert said.kind == "host-key"
    assert f"its host key {server.host_key.get_fingerprint()} is not known" in said.reason


async def test_a_configuration_that_verifies_nothing_is_refused(nodes: Nodes, server: SshServer) -> None:
    server.configure(UserKnownHostsFile="none")
    said = await refused(nodes)
    assert said.kind == "host-key"
    assert server.asked == []


async def test_a_jump_host_that_is_not_verified_is_refused(nodes: Nodes, server: SshServer) -> None:
    server.configure(ProxyJump="jump")
    server.config.write_text(server.config.read_text() + "Host jump\n    UserKnownHostsFile none\n")
    assert "jump: the SSH configuration turns host key verification off" in (await refused(nodes)).reason


@pytest.fixture
def ca() -> Any:
    return asyncssh.generate_private_key(KEY)


async def certified(server: SshServer, ca: Any, **validity: Any) -> None:
    await server.aclose()
    server.certificate = ca.generate_host_certificate(server.host_key, "n1", principals=["n1"], **validity)
    server.port = 0
    (server.folder / "authorized").unlink()
    await server.start()


async def test_a_host_ca_vouches_for_its_nodes(nodes: Nodes, server: SshServer, ca: Any) -> None:
    await certified(server, ca)
    server.trust_ca(ca)
    assert await echo(nodes) == "hello"


async def test_a_certificate_of_another_ca_is_refused(nodes: Nodes, server: SshServer, ca: Any) -> None:
    await certified(server, asyncssh.generate_private_key(KEY))
    server.trust_ca(ca)
    said = await refused(nodes)
    assert said.kind == "host-key"
    assert "which is not a host CA" in said.reason


async def test_a_key_without_the_certificate_that_is_known_is_called_changed(nodes: Nodes, server: SshServer, ca: Any) -> None:
    server.trust_ca(ca)
    said = await refused(nodes)
    assert said.kind == "host-key"
    assert "n1: its host key CHANGED, or lost its certificate" in said.reason
    assert server.host_key.get_fingerprint() in said.reason
    assert f"is not signed by the host CA {ca.get_fingerprint()}" in said.reason


async def test_an_expired_certificate_is_refused(nodes: Nodes, server: SshServer, ca: Any) -> None:
    await certified(server, ca, valid_after="20200101", valid_before="20200102")
    server.trust_ca(ca)
    said = await refused(nodes)
    assert said.kind == "host-key"
    assert "expired" in said.reason


async def test_a_key_that_the_node_does_not_accept(nodes: Nodes, server: SshServer) -> None:
    asyncssh.generate_private_key(KEY).write_private_key(str(server.folder / "client"))
    said = await refused(nodes)
    assert said.kind == "denied"
    assert "authorized_keys" in said.fix


async def test_a_node_on_which_nothing_listens(server: SshServer) -> None:
    await server.aclose()
    nodes = Nodes(Ssh(SshSettings(config=(server.config,))), LIMITS)
    said = await refused(nodes)
    await nodes.aclose()
    await server.start()
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
    nodes: Nodes, server: SshServer, script: str, kind: str, words: str
) -> None:
    server.argv = ("/bin/sh", "-c", script)
    said = await refused(nodes)
    assert (said.kind, words in said.reason, bool(said.fix)) == (kind, True, True)
    assert "\033" not in said.reason


async def test_a_helper_that_never_says_hello(server: SshServer) -> None:
    server.argv = ("/bin/sleep", "60")
    nodes = Nodes(Ssh(SshSettings(config=(server.config,))), Limits(needs_root=False, start_seconds=0.5))
    assert (await refused(nodes)).kind == "timeout"
    await nodes.aclose()


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "n1;ls", "n1\n", "N1", "$(id)", "a" * 300, "../x"])
async def test_what_is_not_the_name_of_a_node_never_reaches_ssh(nodes: Nodes, server: SshServer, name: str) -> None:
    with pytest.raises(CannotLook, match="is not the name of a node"):
        await nodes.hello(name)
    assert server.asked == []


async def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    nodes = Nodes(Ssh(SshSettings(config=(tmp_path / "nowhere",))), LIMITS)
    said = await refused(nodes)
    await nodes.aclose()
    assert "nowhere" in said.reason
    assert "NETCHECK_SSH_CONFIG" in said.fix


@pytest.fixture
async def pushed(server: SshServer) -> AsyncIterator[Nodes]:
    nodes = Nodes(Ssh(SshSettings(config=(server.config,), helper="push")), LIMITS)
    yield nodes
    await nodes.aclose()


@pytest.mark.live
async def test_a_helper_is_pushed_to_a_node_that_has_none(pushed: Nodes, server: SshServer) -> None:
    server.argv = ()
    hello = await pushed.hello("n1")
    assert hello.schemas == {name: fact.schema for name, fact in known.everything().items()}
    assert (hello.installed, hello.changes) == (False, False)
    assert server.asked == [push.COMMAND]


async def test_pushing_to_a_node_that_has_a_helper_says_so(pushed: Nodes) -> None:
    said = await refused(pushed)
    assert said.kind == "denied"
    assert "NETCHECK_HELPER=installed" in said.fix


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("echo netcheck-push 3 6; cat", "missing-helper", "Python 3.6 is too old"),
        ("echo netcheck-push 3 11; read line; echo no", "malformed", "did not take the helper"),
        ("echo 'sudo: a password is required' >&2; exit 1", "denied", "sudo asks for a password"),
        (
            "echo \"FileNotFoundError: [Errno 2] No such file or directory: 'sudo'\" >&2; exit 1",
            "missing-helper",
            "sudo is not there",
        ),
        ("echo 'sh: 1: python3: not found' >&2; exit 127", "missing-helper", "no python3"),
        ("echo netcheck-push x y", "malformed", "netcheck-push x y"),
    ],
)
async def test_a_node_that_cannot_take_a_helper_says_why(
    pushed: Nodes, server: SshServer, script: str, kind: str, words: str
) -> None:
    server.argv = ("/bin/sh", "-c", script)
    said = await refused(pushed)
    assert (said.kind, words in said.reason, bool(said.fix)) == (kind, True, True)


def test_a_damaged_helper_is_not_run() -> None:
    program = f"{Path(push_program.__file__).read_text()}"
    asked = b"5 " + b"0" * 64 + b"\nhello"
    ended = subprocess.run([sys.executable, "-I", "-c", program], input=asked, capture_output=True, check=False)
    assert ended.returncode == 1
    assert b"damaged" in ended.stderr


def test_equal_sources_make_equal_helpers() -> None:
    first = push.archive()
    push.archive.cache_clear()
    assert push.archive() == first


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
