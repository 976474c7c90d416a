"""A helper is pushed to a node that has none, whole and the same each time; a node that cannot take it says why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node_helper import known
from node_helper import pushed as push_program
from tests.unit.over_ssh import LIMITS, refused
from tests.unit.ssh_server import SshServer
from workers.nodes import push
from workers.nodes.nodes import Nodes
from workers.ssh.connect import Ssh, SshSettings


@pytest.fixture
async def pushed(ssh_server: SshServer) -> AsyncIterator[Nodes]:
    nodes = Nodes(Ssh(SshSettings(config=(ssh_server.config,), helper="push")), LIMITS)
    yield nodes
    await nodes.aclose()


@pytest.mark.live
async def test_a_helper_is_pushed_to_a_node_that_has_none(pushed: Nodes, ssh_server: SshServer) -> None:
    ssh_server.argv = ()
    hello = await pushed.hello("n1")
    assert hello.schemas == {name: fact.schema for name, fact in known.everything().items()}
    assert (hello.installed, hello.changes) == (False, False)
    assert ssh_server.asked == [push.COMMAND]


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
    pushed: Nodes, ssh_server: SshServer, script: str, kind: str, words: str
) -> None:
    ssh_server.argv = ("/bin/sh", "-c", script)
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
