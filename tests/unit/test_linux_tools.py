"""The node's tools: started without a shell, with bounds, and in such a way that looking loads nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from node_helper.linux import tools
from node_helper.protocol import CannotLook
from node_helper.stop import Stop


def test_a_tools_words_are_arguments_and_never_a_shells() -> None:
    done = tools.run(("echo", "$HOME; id `id` *"), Stop(10))
    assert (done.status, done.out, done.err, done.cut) == (0, "$HOME; id `id` *\n", "", False)


def test_status_and_errors_are_told() -> None:
    done = tools.run(("ls", "/nothing/there"), Stop(10))
    assert done.status == 2
    assert "/nothing/there" in done.err


def test_a_tool_that_is_not_there_is_missing() -> None:
    with pytest.raises(CannotLook, match="the node has no ipvsadm-of-tomorrow") as said:
        tools.run(("ipvsadm-of-tomorrow",), Stop(10))
    assert said.value.kind == "missing"


def test_output_beyond_the_limit_is_cut_and_said() -> None:
    done = tools.run(("head", "-c", str(tools.LIMIT + 100_000), "/dev/zero"), Stop(10))
    assert (done.status, len(done.out), done.cut) == (0, tools.LIMIT, True)


def test_a_tool_that_nobody_waits_for_any_more_is_killed() -> None:
    stop = Stop(60)
    threading.Timer(0.05, stop.end, ("cancelled",)).start()
    with pytest.raises(CannotLook) as said:
        tools.run(("sleep", "3600.0625"), stop)
    assert said.value.kind == "cancelled"
    assert not [pid for pid in _children() if b"3600.0625" in _command(pid)]


def _children() -> list[str]:
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def _command(pid: str) -> bytes:
    return Path("/proc", pid, "cmdline").read_bytes()


def test_a_tool_gets_a_bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_SLACK_BOT_TOKEN", "xoxb-secret")
    said = tools.run(("env",), Stop(10)).out
    assert "secret" not in said
    assert "LC_ALL=C\n" in said


@pytest.mark.parametrize(
    ("loaded", "built_in", "asks_the_module"),
    [
        ("", "", False),
        ("tcp_diag 16384 0 - Live\nudp_diag 16384 0 - Live\ninet_diag 28672 2 tcp_diag,udp_diag, Live\n", "", True),
        ("tcp_diag 16384 0 - Live\ninet_diag 28672 1 tcp_diag, Live\n", "", False),
        (
            "udp_diag 16384 0 - Live\n",
            "kernel/net/ipv4/tcp_diag.ko\nkernel/net/ipv4/inet_diag.ko\nkernel/net/unix/unix_diag.ko\n",
            True,
        ),
    ],
)
def test_ss_is_told_to_read_proc_unless_what_it_would_load_is_there(loaded: str, built_in: str, asks_the_module: bool) -> None:  # noqa: FBT001
    environment = tools.environment(loaded.splitlines(), built_in.splitlines())
    assert ("PROC_ROOT" not in environment) is asks_the_module
